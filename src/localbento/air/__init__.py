"""The constraint language: chips, gadgets, labelled constraints and bus traffic.  It knows no machine."""
