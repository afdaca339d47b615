"""Metrics of generated text, one a file."""
