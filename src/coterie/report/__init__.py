"""Runs as one self-contained page: scores, conflict, experts, curves, cost, answers, recipe."""

from coterie.report.build import report, summarize, summarize_table

__all__ = ["report", "summarize", "summarize_table"]
