"""Composition of runs that were trained apart on one base model, without training."""

from coterie.compose.compose import compose

__all__ = ["compose"]
