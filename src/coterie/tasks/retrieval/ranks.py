"""Ranks of pairs by the cosines of their embeddings, in both directions."""

from collections.abc import Iterable, Sequence
from itertools import groupby, islice

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from coterie.metrics.recall_at_k import RankPrediction


def rank_pairs(
    queries: Float[Tensor, "samples width"],
    candidates: Float[Tensor, "samples width"],
    texts: Sequence[str],
) -> list[RankPrediction]:
    """Return the ranks of each sample's candidate for its query, and of its query for it.

    `texts` are the candidates'. Equal ones are one candidate, which any of their queries finds. A
    tie counts against the sample, so that a model that embeds all alike finds nothing.
    """
    cosines = F.normalize(queries.float(), dim=-1) @ F.normalize(candidates.float(), dim=-1).t()
    alike = mark_equal(texts).to(cosines.device)
    # Column j is a candidate of its own unless an earlier one has its text.
    is_first = ~torch.tril(alike, diagonal=-1).any(1)
    own = cosines.masked_fill(~alike, -torch.inf)
    above = (cosines >= own.amax(1, keepdim=True)) & ~alike & is_first
    below = (cosines >= own.amax(0, keepdim=True)) & ~alike
    pairs = zip(above.sum(1).tolist(), below.sum(0).tolist(), strict=True)
    return [RankPrediction(candidate=1 + one, query=1 + other) for one, other in pairs]


def mark_equal(texts: Sequence[str]) -> Bool[Tensor, "samples samples"]:
    """Return which pairs of texts are equal."""
    numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    ids = torch.tensor([numbers[text] for text in texts])
    return ids[:, None] == ids


def have_one_text(texts: Iterable[str]) -> bool:
    """Return whether all texts are equal, so that there is nothing to find."""
    return len(list(islice(groupby(texts), 2))) == 1
