"""Methods that combine the losses or gradients of several tasks, one a file."""

from coterie.public_names import export_classes

__getattr__, __dir__ = export_classes(__name__)
