"""Circuits: the machines that are proved."""
