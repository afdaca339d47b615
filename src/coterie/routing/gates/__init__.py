"""Gates, which compute the logits, one kind a file."""
