"""The tasks of the pantry, one a file; a new file is a new task."""
