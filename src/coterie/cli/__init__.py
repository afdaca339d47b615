"""The `coterie` command: one verb a file, and nothing heavy imported before a verb runs."""

from coterie.cli.main import main

__all__ = ["main"]
