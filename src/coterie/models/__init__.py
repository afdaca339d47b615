"""Models that coterie builds or loads: dense-prediction, pruned and omni models."""
