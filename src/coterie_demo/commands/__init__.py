"""The subcommands that this package adds to the `coterie` command, one a file."""
