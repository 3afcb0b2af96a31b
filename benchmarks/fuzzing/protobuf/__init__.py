"""Messages as trees of fields on the wire, and changes of them that their descriptors suggest."""
