"""The host's side of system calls, a module for each family."""
