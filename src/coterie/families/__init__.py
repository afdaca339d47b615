"""Model families: where their attention, MLPs and connectors are, one family a file."""
