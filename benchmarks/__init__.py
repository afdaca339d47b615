"""Speed of coterie relative to its peers, as ratios in one process: `python -m benchmarks`."""
