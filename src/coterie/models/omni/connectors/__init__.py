"""Connectors of omni models, one kind per file."""
