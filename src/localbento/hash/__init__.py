"""Digests, and the functions that make them, in plain Python and in numpy."""
