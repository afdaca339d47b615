"""Samples of tasks, read from files of many kinds, and how tasks are mixed."""
