"""Auxiliary losses on routing decisions, one kind a file."""

from coterie.public_names import export_classes

__getattr__, __dir__ = export_classes(__name__)
