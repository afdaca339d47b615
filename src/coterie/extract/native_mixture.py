"""`NativeMixture`: what a mixture must be for a class of transformers to compute the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from coterie.experts.copies import Copies
from coterie.experts.copies_layer import CopiesLayer, FullCopies
from coterie.mixture import Mixture
from coterie.routing.gates.task import TaskGate
from coterie.routing.gates.token import TokenGate
from coterie.routing.routers.top_k import TopK
from coterie.tuner.layer import CoterieLayer

MAPS = ("gate_proj", "up_proj", "down_proj")
"""Of the MLP of Llama and decoders like it: down(act(gate(x)) * up(x)), without biases."""

Stack = Float[Tensor, "..."]
"""[experts, out, width]; a layer's routed and shared experts differ in the first two."""


@dataclass(frozen=True, kw_only=True)
class NativeSettings:
    """What all mixtures of a native model have in common.

    Attributes:
        experts, active: their number, and how many a token uses.
        width, shared_width: hidden units of an expert, and of all shared experts together.
        sums_to_one: the weights of the chosen experts sum to 1.
    """

    experts: int
    active: int
    width: int
    shared_width: int
    sums_to_one: bool


@dataclass(frozen=True, kw_only=True)
class NativeMixture:
    """The weights of one layer's mixture, as Mixtral and Qwen2-MoE have them.

    Attributes:
        router: one row of logits' weights for each expert.
        routed, shared: linear layer of the MLP -> its weights in all experts; no shared for none.
    """

    settings: NativeSettings
    router: Float[Tensor, "experts width"]
    routed: Mapping[str, Stack]
    shared: Mapping[str, Stack]


def find_native_problem(mixture: Mixture) -> str | None:
    """Return why no class of transformers computes what a mixture computes; None if one does."""
    gate, router, shared = mixture.gate, mixture.router, mixture.shared
    problems = {
        f"{type(mixture.main).__name__} experts": not isinstance(mixture.main, Copies),
        "two kinds of experts": len(mixture.kinds) > 1,
        f"a {type(gate).__name__}": not isinstance(gate, TokenGate | TaskGate)
        or gate.depends_on_task_only,
        "a gate with a bias": isinstance(gate, TokenGate) and gate.bias,
        "a gate with noise in evaluation": isinstance(gate, TaskGate) and gate.noise_in_evaluation,
        f"a {type(router).__name__} router": not isinstance(router, TopK),
        "squared weights": mixture.weight_exponent != 1,
        f"shared experts with blend={mixture.blend!r}": shared is not None
        and mixture.blend != "add",
    }
    if isinstance(router, TopK):
        problems |= {
            "TopK with noise in evaluation": router.noise > 0 and router.noise_in_evaluation,
            "TopK(epsilon=)": router.epsilon > 0,
            "TopK(closed=)": bool(router.closed),
            "TopK(normalize='none')": router.normalize == "none",
        }
    found = [what for what, is_so in problems.items() if is_so]
    return " and ".join(found) or None


@torch.no_grad()
def make_native_mixture(layer: CoterieLayer, adapter: str, task: int | None) -> NativeMixture:
    """Return one layer's weights, in float32 on the CPU, for a mixture without a problem.

    A temperature is part of the router's rows. Raises ValueError for an MLP that is not Llama's.
    """
    mixture: Any = layer.coterie_site[adapter].mixture
    experts, base_layer = layer.coterie_experts[adapter], layer.get_base_layer()
    assert isinstance(experts, CopiesLayer)
    stacks = experts.stack_weights(base_layer, torch.float32)
    if set(stacks) != {f"{name}.weight" for name in MAPS}:
        raise ValueError(
            f"format='native' takes MLPs with the linear layers {', '.join(MAPS)} and no bias, and "
            f"{layer.coterie_site[adapter].layer_site.name} has {', '.join(sorted(stacks))}"
        )
    gate: Any = layer.coterie_gate[adapter]
    rows = gate.weight if task is None else gate.weight[task]
    rows = rows[: mixture.num_experts].float().cpu() / mixture.router.temperature
    count = mixture.main.count
    stacked = {name: stacks[f"{name}.weight"].float().cpu() for name in MAPS}
    shared = {name: each[count:] for name, each in stacked.items()}
    if isinstance(experts, FullCopies) and experts.shared_names:
        own = experts.shared_names
        shared = {n: experts.get_parameter(own[f"{n}.weight"]).float().cpu() for n in MAPS}
    routed = {name: each[:count] for name, each in stacked.items()}
    settings = NativeSettings(
        experts=count,
        active=mixture.router.k,
        width=routed["gate_proj"].shape[1],
        shared_width=shared["gate_proj"].shape[0] * shared["gate_proj"].shape[1],
        sums_to_one=mixture.router.normalize == "selected",
    )
    return NativeMixture(settings=settings, router=rows, routed=routed, shared=shared)
