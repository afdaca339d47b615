"""Ways to merge the low-rank factors of several runs into those of one LoRA; only one is exact.

The change that a LoRA adds to a weight is `up @ down`. Concatenation along the rank gives the
weighted sum of the changes; the others merge `down` and `up` apart, as released code does (the
strategies `mean` and `ties-mean` of THUNLP-MT/ModelCompose), and are controls: a product of means
is no mean of products.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from peft.utils.merge_utils import ties
from torch import Tensor

TIES_DENSITY = 0.2
"""Share of the largest entries that TIES keeps of each factor (Yadav et al. 2023, section 4)."""


class Factors(NamedTuple):
    """A LoRA without a scale: it adds `up @ down` to a weight."""

    down: Float[Tensor, "rank width"]
    up: Float[Tensor, "out rank"]


def concatenate_ranks(factors: Sequence[Factors], weights: Sequence[float]) -> Factors:
    """Return factors of the sum of weights[i] * up_i @ down_i: no approximation."""
    up = [weight * each.up for each, weight in zip(factors, weights, strict=True)]
    return Factors(torch.cat([each.down for each in factors]), torch.cat(up, 1))


def average_factors(factors: Sequence[Factors], weights: Sequence[float]) -> Factors:
    """Return the weighted sums of `down` and of `up`: of weights that sum to 1, their means."""
    pairs = list(zip(factors, weights, strict=True))
    down, up = (sum(weight * each[half] for each, weight in pairs) for half in (0, 1))
    assert isinstance(down, Tensor) and isinstance(up, Tensor)
    return Factors(down, up)


def merge_by_ties(
    factors: Sequence[Factors], weights: Sequence[float], *, density: float = TIES_DENSITY
) -> Factors:
    """Return TIES-merged `down` and `up` (Yadav et al. 2023, arXiv:2306.01708, algorithm 1).

    Of each factor the largest entries stay; of each entry, the mean over the runs that have the
    sign of the sum. Weights are relative: those of even runs are 1 in that mean.
    """
    relative = torch.tensor(weights, dtype=torch.float64) * len(weights)
    down, up = (ties([each[half] for each in factors], relative, density) for half in (0, 1))
    return Factors(down, up)


MERGES: dict[str, Callable[[Sequence[Factors], Sequence[float]], Factors]] = {
    "sum": concatenate_ranks, "mean": average_factors, "ties": merge_by_ties
}  # fmt: skip
"""`text` of `coterie.compose` -> how the LoRAs of text become one."""
