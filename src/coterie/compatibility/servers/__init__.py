"""Servers that load LoRA adapters, one a file: what each drops or refuses, by its public code."""
