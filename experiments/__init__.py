"""Long runs whose results are committed: the host's alignment, and systems side by side."""
