"""Row sources, one format per file, and their selection by path."""
