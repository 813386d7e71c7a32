"""One module for each kind of task: a pure function from the bytes of its inputs to those of its output."""
