"""Modalities of tokens and of the columns of a data set, one a file."""

from coterie.public_names import export_classes

__getattr__, __dir__ = export_classes(__name__)
