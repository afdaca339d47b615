"""The `coterie` command: one subcommand a file, and nothing heavy imported before one runs."""
