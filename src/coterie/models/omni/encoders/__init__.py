"""Encoders of omni models, one kind per file."""
