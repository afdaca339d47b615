"""How the losses of several tasks train one model, one kind a file."""
