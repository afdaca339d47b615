"""The demo of coterie: weights and data out of ordinary packages, a renderer, a demonstration."""
