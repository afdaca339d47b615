"""What a label may be: one kind of task a file."""
