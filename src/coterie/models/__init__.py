"""Models that coterie builds or loads: multi-task vision, pruned vision and omni models."""

from coterie.public_names import export_classes

__getattr__, __dir__ = export_classes(__name__)
