"""The mutual information I(T; E) between tasks and experts, from their joint distribution."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from coterie.routing.usage import UsageStatistics

TaskByExpert = Float[Tensor, "tasks experts"]
TaskExpertMass = Literal["chosen", "probability"]
"""The statistic used as P(expert | task): how often it is chosen, or its mean probability."""


def compute_mutual_information(mass: TaskByExpert) -> Float[Tensor, ""]:
    """Compute I(T; E) = sum_te P(t,e) log(P(t,e) / (P(t) P(e))), in nats; at most log(tasks).

    P is the mass, at least 0, divided by its sum. 0 if all tasks choose the same experts, and if
    all mass is 0. Differentiable; `coterie.MutualInformation` is minus this, of the sums of
    probabilities. Source: Mod-Squad, arXiv:2212.08066.
    """
    # Rectified weights can all be 0; the information is then 0, not NaN.
    joint = mass / mass.sum().clamp_min(torch.finfo(mass.dtype).eps)
    parts = (joint, joint.sum(1, keepdim=True), joint.sum(0, keepdim=True))
    # Finite at 0, so that 0 log 0 is 0 and has a finite gradient.
    joint_log, task_log, expert_log = (
        part.clamp_min(torch.finfo(part.dtype).tiny).log() for part in parts
    )
    return (joint * (joint_log - task_log - expert_log)).sum()


def compute_frequencies(
    usage: UsageStatistics, mass: TaskExpertMass = "chosen"
) -> dict[str, TaskByExpert]:
    """Return the mass that each task gives each expert in each layer, float64 in [0, 1].

    Raises ValueError if a task lacks a layer that another has.
    """
    tasks = dict.fromkeys(task for layer in usage.values() for task in layer[mass])
    frequencies = {}
    for layer, statistics in usage.items():
        missing = [task for task in tasks if task not in statistics[mass]]
        if missing:
            raise ValueError(
                f"task {missing[0]!r} has no usage of {layer}, which others have: measure all "
                "tasks on one model"
            )
        frequencies[layer] = torch.tensor([list(statistics[mass][task]) for task in tasks]).double()
    return frequencies


def compute_mutual_information_by_layer(
    usage: UsageStatistics, mass: TaskExpertMass = "chosen"
) -> dict[str, float]:
    """Compute I(T; E) of each layer in nats; see `compute_frequencies` for the arguments.

    Computed from mean probabilities it is what Mod-Squad maximises. It can be far less than that
    of choices: a gate may always choose the same experts with nearly even probabilities.

    Raises ValueError as `compute_frequencies`, and if a layer has no mass.
    """
    information = {}
    for layer, frequencies in compute_frequencies(usage, mass).items():
        if not frequencies.sum() > 0:
            raise ValueError(
                "no task gives any expert anything: measure the usage on at least one row"
            )
        information[layer] = compute_mutual_information(frequencies).item()
    return information
