"""Question data sets: their public files, and their published scores."""
