"""Keypoints: how much a place looks like a corner."""

import numpy as np

from coterie.optional_imports import import_optional
from coterie_demo.scenes.shape import Array

SMOOTHED, WINDOW = 1 / 100, 1 / 64
"""Standard deviations, as shares of the picture's side: of what is differentiated, so that the
steps of slanted edges are no corners, and of the window."""


def detect_corners(channels: Array, usual: float) -> Array:
    """[height, breadth] a response from 0 to 1.

    The smaller eigenvalue e of the structure tensor, summed over channels and a Gaussian window,
    as e / (e + usual). Source: Shi and Tomasi, Good features to track (1994).

    Args:
        channels: [channels, height, breadth] numbers of about one size.
        usual: the eigenvalue that is answered by one half.
    """
    blurred = import_optional("scipy.ndimage", "scenes").gaussian_filter
    size = channels.shape[-1]
    smooth = np.stack([blurred(channel, SMOOTHED * size) for channel in channels])
    down, right = np.gradient(smooth, axis=(1, 2))
    sigma = WINDOW * size
    yy = blurred((down * down).sum(axis=0), sigma)
    xx = blurred((right * right).sum(axis=0), sigma)
    xy = blurred((down * right).sum(axis=0), sigma)
    smaller = (xx + yy) / 2 - np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    smaller = np.maximum(smaller, 0)
    return smaller / (smaller + usual)
