"""Routers: from logits to the weights of experts, one kind a file."""
