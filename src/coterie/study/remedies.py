"""The remedies for conflict between tasks, side by side: at the same layers, of one size.

The size is that of one LoRA for all tasks; the ranks of the others are fitted to it, for a given
base model, since gates and the experts' layouts cost more or less by the layers' widths.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import torch

from coterie.balancing.pcgrad import PCGrad
from coterie.balancing.upgrad import UPGrad
from coterie.experts.base import Experts
from coterie.experts.lora import Lora
from coterie.mixture import Mixture
from coterie.recipe import Recipe
from coterie.recipes import awaker, dual_lora, hydra_lora, moelora, rode, shared_lora, soft_lora
from coterie.train.steps import split_steps
from coterie.tuner.injection import get_gate_input_width, plan_injection

REMEDIES = "remedies"
"""What `coterie study --recipes` calls them."""
PLACES = ("text.attn", "text.mlp")
SCALE = 2.0
TOLERANCE, AIM = 0.02, 0.003
"""Sizes differ by the first share at most; within the second, ranks are chosen to be alike."""
PROBE = 16
"""Ranks with which parameters are counted; enough for one for each expert."""
REACH = 2
"""So many ranks below and above the one that fits best are tried at each place."""
SizedRecipe = Callable[[int], Recipe]
"""The recipe whose experts have so many ranks: all of a layer together, or each where alike."""


def make_remedies(
    base: Any, tasks: Sequence[str], *, rank: int = 32, learning_rate: float = 1e-4
) -> tuple[Recipe, ...]:
    """Return eight systems of as many trainable parameters as `shared_lora(rank=rank)`, to 2 %.

    They are at all linear layers of the language model, without dropout, with scale 2 and one peak
    learning rate: the shared LoRA with PCGrad and with UPGrad, soft_lora, moelora, hydra_lora,
    rode, dual_lora and awaker. A study adds the shared LoRA alone and one for each task.

    Args:
        base: the base model, which remains as it is; its layers' widths decide the ranks.
        tasks: the tasks' names; a gate for each task has parameters for each.
        rank: of the shared LoRA.
        learning_rate: the peak; of awaker's last stage, half of it.

    Raises ValueError if no ranks come within 2 %, as they may not for a small `rank`.
    """
    shared = shared_lora(rank=rank, alpha=SCALE * rank, learning_rate=learning_rate)
    balanced = {"pcgrad": PCGrad(), "upgrad": UPGrad()}
    remedies = [
        replace(shared, name=f"{shared.name}_{name}", balancing=each, role="method", notes="")
        for name, each in balanced.items()
    ]
    kinds = list_sized_recipes()
    fitted = (fit_recipe(base, tasks, make, rank=rank) for make in kinds)
    return (*remedies, *(set_learning_rate(each, learning_rate) for each in fitted))


def list_sized_recipes() -> tuple[SizedRecipe, ...]:
    """List the mixtures; an expert's number of ranks is what is left to choose."""
    return (
        lambda size: set_experts(soft_lora(at=PLACES), make_lora(size, (1, 1, 1, 1))),
        lambda size: set_experts(moelora(at=PLACES), make_lora(size, (1,) * 8)),
        lambda size: hydra_lora(rank=size, alpha=SCALE * size, at=PLACES),
        lambda size: rode(ranks=make_lora(size, (1, 2, 4, 8)).ranks, at=PLACES, dropout=0.0),
        lambda size: dual_lora(rank=size, at=PLACES, dropout=0.0),
        lambda size: awaker(rank=size, alpha=SCALE * size, dropout=0.0),
    )


def make_lora(rank: int, shares: Sequence[int]) -> Lora:
    """Return LoRA experts that share the ranks in a proportion, each with one at least."""
    return Lora(ranks=tuple(split_steps(max(rank, len(shares)), shares)), scale=SCALE)


def set_experts(recipe: Recipe, experts: Experts) -> Recipe:
    """Return the recipe with other experts in all its mixtures."""
    mixtures = tuple(replace(each, experts=experts) for each in recipe.mixtures)
    return replace(recipe, mixtures=mixtures)


def set_learning_rate(recipe: Recipe, peak: float) -> Recipe:
    """Return the recipe with another peak rate, the other stages' in proportion."""
    scale = peak / max(stage.learning_rate for stage in recipe.stages)
    stages = (replace(each, learning_rate=each.learning_rate * scale) for each in recipe.stages)
    return replace(recipe, stages=tuple(stages), role="method")


def fit_recipe(base: Any, tasks: Sequence[str], make: SizedRecipe, *, rank: int) -> Recipe:
    """Choose the ranks of each mixture so that all together are as large as LoRAs of `rank`.

    Raises ValueError if the nearest are not within 2 %.
    """
    mixtures = make(rank).mixtures
    lora = Lora(ranks=(rank,), alpha=SCALE * rank)
    plain = [Mixture(at=each.at, experts=lora, gate=None) for each in mixtures]
    wanted = count_parameters(base, plain, tasks)
    # A layer's parameters are a constant, such as a gate's, and as many for each rank.
    low, high = (count_parameters(base, make(size).mixtures, tasks) for size in (PROBE, 2 * PROBE))
    per_rank = [(two - one) / PROBE for one, two in zip(low, high, strict=True)]
    ideal = [
        PROBE + (goal - one) / each for goal, one, each in zip(wanted, low, per_rank, strict=True)
    ]
    reach = range(-REACH, REACH + 2)
    choices = product(*({max(1, math.floor(each) + more) for more in reach} for each in ideal))

    def get_misfit(sizes: Sequence[int]) -> tuple[float, float]:
        pairs = list(zip(sizes, ideal, per_rank, strict=True))
        share = abs(sum((size - best) * each for size, best, each in pairs)) / sum(wanted)
        return max(share, AIM), sum(abs(size - best) * each for size, best, each in pairs)

    sizes = min(choices, key=get_misfit)
    chosen = tuple(make(size).mixtures[place] for place, size in enumerate(sizes))
    found, total = sum(count_parameters(base, chosen, tasks)), sum(wanted)
    recipe = replace(make(sizes[0]), mixtures=chosen)
    if abs(found - total) > TOLERANCE * total:
        raise ValueError(
            f"{recipe.name} has {found:,} parameters where a LoRA of rank {rank} has {total:,}: "
            f"no ranks come within {TOLERANCE:.0%}; give make_remedies a larger rank"
        )
    return recipe


def count_parameters(base: Any, mixtures: Sequence[Mixture], tasks: Sequence[str]) -> list[int]:
    """Count the parameters that each mixture adds to a base model, without adding any."""
    plan = plan_injection(mixtures, tasks, base)
    counts, led = [0] * len(mixtures), set[tuple[int, str]]()
    for name, position in plan.single_positions.items():
        mixture, layer = mixtures[position], base.get_submodule(name)
        width = get_gate_input_width(mixture, layer, base)
        group = (position, "" if mixture.gate is None else mixture.gate.get_tie_group(name))
        with torch.device("meta"):
            built = mixture.build(layer, width, len(tasks), has_gate=group not in led)
        led.add(group)
        counts[position] += sum(
            parameter.numel() for part in built if part is not None for parameter in
            part.parameters()
        )  # fmt: skip
    return counts
