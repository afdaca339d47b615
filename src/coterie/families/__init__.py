"""Model families: the modules of their attention, MLPs and connectors, one family a file."""
