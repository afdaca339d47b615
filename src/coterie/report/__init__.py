"""Runs as one self-contained page: scores, conflict, experts, curves, cost, answers, recipe."""

from coterie.report.build import report

__all__ = ["report"]
