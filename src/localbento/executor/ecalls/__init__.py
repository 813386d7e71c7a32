"""Machine calls that are carried out in Python: they execute, and have no proof yet."""
