"""The `coterie` command: one file per subcommand, with slow imports only when one runs."""

from coterie.cli.main import main

__all__ = ["main"]
