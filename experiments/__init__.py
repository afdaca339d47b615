"""Long runs whose results are committed: connector alignment, and comparisons of systems."""
