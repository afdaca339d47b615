"""Samples of tasks, read from files of many kinds, and how tasks are mixed."""

from coterie.public_names import export_classes

__getattr__, __dir__ = export_classes(__name__)
