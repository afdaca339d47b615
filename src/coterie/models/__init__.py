"""Models that coterie builds or loads: dense-prediction, pruned and omni models, one a folder."""

from coterie.public_names import export_classes

__getattr__, __dir__ = export_classes(__name__)
