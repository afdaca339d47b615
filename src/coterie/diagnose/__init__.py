"""Conflict between tasks, measured on their gradients, before and after training."""

from coterie.diagnose.conflict import Conflict
from coterie.diagnose.diagnose import diagnose

__all__ = ["Conflict", "diagnose"]
