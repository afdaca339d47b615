"""Text tasks: data, collation, loss, generation and scoring."""
