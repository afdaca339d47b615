"""Dense data sets in their published file formats, one per file."""

from coterie.public_names import export_classes

__getattr__, __dir__ = export_classes(__name__)
