"""The choice of experts one by one, as in SparseMixer-v2 (arXiv:2409.12136) and Uni-MoE 2."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from coterie.routing.decision import ByExpert

NEAR = 0.02
"""Largest relative difference of logits that share a weight: twice the released code's jitter."""


class SequentialChoice(NamedTuple):
    """Experts that were chosen one after another; all are 0 or False for those that were not.

    Attributes:
        shares: the softmax probability of each, among the experts that were not chosen before it
            and whose logits were within 2 % of the largest of these, relative to the larger of
            the two in size.
        is_largest: whether it had the largest logit of them.
        rest: a number in [0, 1), uniform and independent of the choice, where it was sampled.
    """

    shares: ByExpert
    is_largest: Bool[Tensor, "*units experts"]
    rest: ByExpert


def choose_one_by_one(
    logits: ByExpert, count: Int[Tensor, "*units"], uniform: ByExpert | None
) -> SequentialChoice:
    """Choose `count` experts: those of the largest logits, or a sample if `uniform` is given.

    Number n of `uniform`, in [0, 1), samples the n-th expert from its shares: it falls into the
    interval of one of them, and its position in it is `rest`.
    """
    remaining, is_chosen = logits, torch.zeros_like(logits, dtype=torch.bool)
    shares, is_largest, rest = torch.zeros_like(logits), is_chosen, torch.zeros_like(logits)
    for number in range(int(count.max()) if count.numel() else 0):
        largest, best = remaining.detach().max(-1, keepdim=True)
        size = torch.maximum(logits.abs(), largest.abs()).detach()
        is_far = largest - logits.detach() > NEAR * size
        probs = remaining.masked_fill(is_far, float("-inf")).softmax(-1)
        drawn, position = best, torch.zeros_like(largest)
        if uniform is not None:
            drawn, position = _draw(probs.detach(), uniform[..., number, None])
        active = (count > number)[..., None]
        mine = torch.zeros_like(is_chosen).scatter(-1, drawn, active)
        shares = torch.where(mine, probs, shares)
        is_largest = is_largest | (mine & (drawn == best))
        rest = torch.where(mine, position, rest)
        is_chosen = is_chosen.scatter(-1, drawn, True)
        remaining = logits.masked_fill(is_chosen, float("-inf"))
    return SequentialChoice(shares, is_largest, rest)


def _draw(
    probs: ByExpert, uniform: Float[Tensor, "*units 1"]
) -> tuple[Int[Tensor, "*units 1"], Float[Tensor, "*units 1"]]:
    """Return the expert into whose interval a number falls, and the number's position in it."""
    ends = probs.cumsum(-1)
    # Below the last end in float32, too, so that an expert without probability is never drawn.
    point = uniform.clamp(max=1 - 2**-20) * ends[..., -1:]
    drawn = (ends <= point).sum(-1, keepdim=True)
    share = probs.gather(-1, drawn)
    position = (point - (ends.gather(-1, drawn) - share)) / share
    return drawn, position.clamp(0, 1)
