"""Retrieval: a prompt with its media finds its answer among all answers, and is found by it."""
