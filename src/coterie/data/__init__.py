"""Datasets of task samples: sources, row formats, validation, splits and task sampling."""

from coterie.public_names import export_classes

__getattr__, __dir__ = export_classes(__name__)
