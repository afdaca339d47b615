"""Modalities of tokens and of the columns of a data set, one a file."""
