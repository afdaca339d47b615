"""How fast coterie is beside its peers, as ratios in one process: `python -m benchmarks`."""
