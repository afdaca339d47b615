"""Scores of predicted pictures, one metric a file."""
