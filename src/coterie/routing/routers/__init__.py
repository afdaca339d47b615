"""Routers, which turn logits into the weights of experts, one kind a file."""
