"""Experts: what a mixture chooses among, one kind a file."""
