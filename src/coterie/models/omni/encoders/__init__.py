"""The encoders an omni model may have, one kind a file."""
