"""Losses on what routers decide, one kind a file."""
