"""How much the task says about the expert, from counts of which task chose which."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

ByTask = Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]
"""task -> layer -> {"chosen": ..., "probability": ...}, as `use_by_task` gives it."""
TaskExpertMass = Literal["chosen", "probability"]
"""What stands for P(expert | task): how often it is chosen, or its mean probability."""


def compute_choice_frequencies(
    by_task: ByTask, mass: TaskExpertMass = "chosen"
) -> dict[str, Float[Tensor, "tasks experts"]]:
    """layer -> what a task's units give each expert, float64 in [0, 1].

    Args:
        by_task: tasks measured on one model.
        mass: by default the share of units that chose it.

    Raises ValueError if some task lacks a layer of another.
    """
    layers = dict.fromkeys(layer for use in by_task.values() for layer in use)
    missing = [(task, layer) for task, use in by_task.items() for layer in layers
               if layer not in use]  # fmt: skip
    if missing:
        raise ValueError(
            f"task {missing[0][0]!r} has no use of {missing[0][1]}, which others have: measure "
            "all tasks on one model"
        )
    return {
        layer: torch.tensor([list(use[layer][mass]) for use in by_task.values()]).double()
        for layer in layers
    }


def compute_joint_distribution(
    mass: Float[Tensor, "tasks experts"],
) -> Float[Tensor, "tasks experts"]:
    """P(task, expert), float64, of sum 1, from what each task gives each expert, 0 or more.

    Rows count by their sums, so give them of equally many units: frequencies, mean
    probabilities, or counts over the same pictures.

    Raises ValueError if all is 0.
    """
    total = mass.double().sum()
    if not total > 0:
        raise ValueError("no task gives any expert anything: measure the use on at least one row")
    return mass.double() / total


def compute_mutual_information(joint: Float[Tensor, "tasks experts"]) -> float:
    """I(T; E) = sum_te P(t,e) log(P(t,e) / (P(t) P(e))), in nats; at most log(tasks).

    0 where tasks choose alike. `coterie.MutualInformation` is minus this, of mean probabilities.
    Source: Mod-Squad, arXiv:2212.08066.
    """
    alone = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
    # xlogy is 0 where P(t,e) is, also where P(t) P(e) is.
    terms = torch.xlogy(joint, joint) - torch.xlogy(joint, alone)
    return terms.sum().item()


def compute_mutual_information_by_layer(
    by_task: ByTask, mass: TaskExpertMass = "chosen"
) -> dict[str, float]:
    """layer -> I(T; E) in nats; see `frequencies` for what P(t, e) is.

    Of mean probabilities it is what Mod-Squad maximises. It can be far less than that of choices:
    a gate may always choose alike with probabilities that are nearly even.
    """
    return {
        layer: compute_mutual_information(compute_joint_distribution(found))
        for layer, found in compute_choice_frequencies(by_task, mass).items()
    }


def dump(by_task: ByTask) -> dict[str, Any]:
    """layer -> {"joint": P(task, expert), "information": nats}, as JSON holds it."""
    return {
        layer: {
            "joint": compute_joint_distribution(found).tolist(),
            "information": compute_mutual_information(compute_joint_distribution(found)),
        }
        for layer, found in compute_choice_frequencies(by_task).items()
    }
