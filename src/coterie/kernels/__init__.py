"""Kernels of experts, each with a plain reference that tests compare it with."""
