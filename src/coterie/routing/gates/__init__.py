"""Gates: what the logits look at, one kind a file."""
