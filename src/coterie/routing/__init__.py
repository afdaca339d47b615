"""Routing: gates compute logits, routers turn them into weights, and a tape records both."""

from coterie.public_names import export_classes

__getattr__, __dir__ = export_classes(__name__)
