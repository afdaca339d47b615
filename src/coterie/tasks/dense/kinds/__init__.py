"""Kinds of dense tasks, one per file."""
