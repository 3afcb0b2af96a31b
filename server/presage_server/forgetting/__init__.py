"""What is stored of one visitor, found and erased: in the store, in archives, and in what else keeps it.

See docs/how-to/forget-a-visitor.md.
"""
