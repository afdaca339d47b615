"""`OdsF`: F-measure of edges at the optimal dataset scale."""

from dataclasses import dataclass

import numpy as np

from coterie.metrics.base import DenseMetric, MapPrediction, Statistics, compute_ratios
from coterie.metrics.dense.labels import Mask, ScalarMap, to_numpy
from coterie.metrics.dense.thinning import thin_edges
from coterie.optional_imports import import_optional


@dataclass(frozen=True, kw_only=True)
class OdsF(DenseMetric):
    """The maximum F, in percent, over thresholds shared by all images: optimal dataset scale.

    Predictions are logits. At each threshold k / (thresholds + 1), pixels with a probability above
    it are thinned and matched, one to one, with true edge pixels within `max_distance`; F is
    2 * matched / (found + true), of sums over pictures. Martin, Fowlkes and Malik (PAMI 2004), as
    SEISM measures it for PASCAL-Context from pictures of probabilities; without MATLAB.

    Departs: that code approximates the cheapest maximum matching and, through random edges, may
    miss the maximum; here the matching is exactly maximum, and its cost does not affect the counts.
    The probability is not rounded to 8 bits. As in SEISM, and unlike the code of BSDS500's learned
    detectors, there is no non-maximum suppression before thresholding.

    Attributes:
        thresholds: number of thresholds, at least 1; 99 in the benchmark. Time is linear in it.
        max_distance: maximum distance of matched pixels, as a share of the image diagonal.
        thin: whether to thin predicted edges; if not, thick edges count as errors.
    """

    thresholds: int = 99
    max_distance: float = 0.0075
    thin: bool = True

    def __post_init__(self) -> None:
        if self.thresholds < 1:
            raise ValueError(f"OdsF(thresholds={self.thresholds!r}): give a number, at least 1")
        if not 0 <= self.max_distance < 1:
            raise ValueError(
                f"OdsF(max_distance={self.max_distance!r}): give a share of the diagonal, 0 or "
                "more and below 1"
            )

    def statistics(self, prediction: MapPrediction, label: ScalarMap) -> Statistics:
        """Compute for each threshold the numbers of matched, predicted and true pixels."""
        probability = to_numpy(prediction.values.float().sigmoid())[0]
        truth = to_numpy(label)[0]
        true, known = truth > 0.5, ~np.isnan(truth)
        counts, size = np.zeros((self.thresholds, 3)), -1
        for index in range(self.thresholds):
            above = probability > (index + 1) / (self.thresholds + 1)
            if above.sum() == size:  # the same pixels as at the threshold before
                counts[index] = counts[index - 1]
                continue
            size = above.sum()
            found = (thin_edges(above) if self.thin else above) & known
            reach = self.max_distance * np.hypot(*truth.shape)
            counts[index] = count_matches(found, true, reach), found.sum(), true.sum()
        return counts.T.reshape(-1)

    def score(self, total: Statistics) -> float:
        both, found, true = total.reshape(3, -1)
        return float(200 * compute_ratios(both, found + true).max())


def count_matches(found: Mask, true: Mask, reach: float) -> int:
    """Count the pairs of a maximum one-to-one matching with distances up to `reach` pixels."""
    if not found.any() or not true.any():
        return 0
    make_tree = import_optional("scipy.spatial", "evaluate").cKDTree
    near, far = make_tree(np.argwhere(found)), make_tree(np.argwhere(true))
    pairs = near.sparse_distance_matrix(far, reach, output_type="ndarray")
    graph = import_optional("scipy.sparse", "evaluate").csr_matrix(
        (np.ones(len(pairs)), (pairs["i"], pairs["j"])), shape=(near.n, far.n)
    )
    matching = import_optional("scipy.sparse.csgraph", "evaluate").maximum_bipartite_matching(graph)
    return int((matching >= 0).sum())
