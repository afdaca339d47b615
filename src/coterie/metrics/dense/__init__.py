"""Metrics of dense predictions, one per file."""
