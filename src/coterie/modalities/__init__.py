"""Modalities that tokens and rows of a data set may have, one a file."""
