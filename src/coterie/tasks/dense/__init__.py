"""Dense tasks: data, collation, losses, inference and visualization."""
