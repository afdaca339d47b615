"""The checks of `coterie doctor`, one a file."""
