"""Data sets in the formats they are published in, one a file."""
