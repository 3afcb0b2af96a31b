"""The files of a new project, with markers such as ``@NAME@``."""
