"""A pruned single-task vision model."""
