"""Gradients of single tasks: which parameters they are of, and the batches they are taken on."""
