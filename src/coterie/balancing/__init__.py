"""One loss out of the losses of all tasks, one kind a file."""
