"""`TaskGate`: one gate for each task (Mod-Squad, arXiv:2212.08066; Ma et al. 2018, MMoE)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from coterie.routing.context import RoutingContext
from coterie.routing.decision import to_full_precision
from coterie.routing.gates.base import Gate, GateLayer, GateOutput, LayerSite

MIN_NOISE_STD = 1e-2
"""Least standard deviation of the noise, as in Mod-Squad's released code."""


@dataclass(frozen=True, kw_only=True)
class TaskGate(Gate):
    """A matrix for each task: logits = W_task x for every token of the task's samples.

    Attributes:
        per_token: False gives each task one row of logits instead, the same for all its tokens.
            The decision then depends on the task alone, and merges and exports are exact.
        init_std: standard deviation at initialisation. 0 starts from a uniform decision; all tokens
            then have the same experts at first. Mod-Squad's released models start at 0.02: their
            gate layer is initialised to zeros, which the model's own initialisation overwrites.
        init: the distribution at initialisation, "normal" or "uniform" (M3ViT), of that deviation.
        noisy: add normal noise of a learned scale to a token's logits, in training: logits = W x +
            (softplus(V x) + 0.01) n, n ~ N(0, 1), with W and V in one matrix of twice the rows
            (`noisy_gating` of Mod-Squad's released code; Shazeer et al. 2017, arXiv:1701.06538,
            eq. 4). It is part of the logits that the router gets. Departs: the code also samples
            it in evaluation, so that outputs are not reproducible.
        noise_in_evaluation: add the noise in evaluation, too, as the code does.
    """

    per_token: bool = True
    init_std: float = 0.0
    init: Literal["normal", "uniform"] = "normal"
    noisy: bool = False
    noise_in_evaluation: bool = False

    def __post_init__(self) -> None:
        if self.init not in ("normal", "uniform"):
            raise ValueError(f"TaskGate(init={self.init!r}): allowed are 'normal' and 'uniform'")
        if self.noisy and not self.per_token:
            raise ValueError(
                "TaskGate(noisy=True, per_token=False): the noise's width is a token's; give "
                "per_token=True, or a router's own noise, such as TopK(noise=0.1)"
            )
        if self.noise_in_evaluation and not self.noisy:
            raise ValueError(
                "TaskGate(noise_in_evaluation=True): there is no noise; give noisy=True"
            )

    @property
    def needs_task_ids(self) -> bool:
        return True

    @property
    def depends_on_task_only(self) -> bool:
        return not self.per_token

    def build(self, width: int, experts: int, tasks: int) -> GateLayer:
        if tasks == 0:
            raise ValueError(
                "TaskGate has one gate a task and no task was named: pass tasks=(...) to graft"
            )
        kind = _NoisyTokenTaskGateLayer if self.noisy else _TokenTaskGateLayer
        return (kind if self.per_token else _StaticTaskGateLayer)(self, width, experts, tasks)

    def drawn(self, *shape: int) -> Float[Tensor, "tasks ..."]:
        """Sample the initial weights."""
        if self.init == "normal":
            return torch.randn(*shape) * self.init_std
        # The variance of the uniform distribution on [-1, 1] is 1/3.
        return (2 * torch.rand(*shape) - 1) * (math.sqrt(3) * self.init_std)

    def select_rows(self, experts: Sequence[int], *, total: int) -> list[int]:
        """Return the rows of a task's matrix that belong to some of its `total` experts."""
        return [*experts, *(total + each for each in experts)] if self.noisy else list(experts)


class _TokenTaskGateLayer(GateLayer):
    def __init__(self, gate: TaskGate, width: int, experts: int, tasks: int):
        super().__init__()
        self.weight = nn.Parameter(gate.drawn(tasks, experts, width))

    def forward(
        self, x: Float[Tensor, "*units width"], context: RoutingContext, site: LayerSite
    ) -> GateOutput:
        return _route_by_task(self.weight, x, context, site)


class _NoisyTokenTaskGateLayer(GateLayer):
    """A noisy task gate: half of each task's rows compute the logits, half the noise's scale."""

    def __init__(self, gate: TaskGate, width: int, experts: int, tasks: int):
        super().__init__()
        self.experts, self.noise_in_evaluation = experts, gate.noise_in_evaluation
        self.weight = nn.Parameter(gate.drawn(tasks, 2 * experts, width))

    def forward(
        self, x: Float[Tensor, "*units width"], context: RoutingContext, site: LayerSite
    ) -> GateOutput:
        if not (self.training or self.noise_in_evaluation):
            return _route_by_task(self.weight[:, : self.experts], x, context, site)
        answer = _route_by_task(self.weight, x, context, site)
        both = answer.logits
        if answer.gate_weight is not None:
            both = to_full_precision(x @ answer.gate_weight.to(x.dtype).t())
        assert both is not None
        clean, raw = both.chunk(2, -1)
        # From torch's global generator, as routers' noise: a resumed run samples the same values.
        return GateOutput(
            logits=clean + (F.softplus(raw) + MIN_NOISE_STD) * torch.randn_like(clean)
        )


def _route_by_task(
    weight: Float[Tensor, "tasks out width"],
    x: Float[Tensor, "*units width"],
    context: RoutingContext,
    site: LayerSite,
) -> GateOutput:
    """Return logits by each token's task, or the matrix alone if one task fills the batch."""
    if context.single_task is not None:
        return GateOutput(gate_weight=weight[context.single_task])
    task = context.get_task_of_rows(site.tower, x.shape[0]).to(x.device)
    return GateOutput(logits=_multiply_by_task(weight, x, task))


def _multiply_by_task(
    weight: Float[Tensor, "tasks out width"],
    x: Float[Tensor, "*units width"],
    task: Int[Tensor, " rows"],
) -> Float[Tensor, "*units out"]:
    if x.ndim == 3:
        return to_full_precision(torch.bmm(x, weight.to(x.dtype)[task].transpose(1, 2)))
    # Packed rows have no token axis: one matrix a row would take more memory than all products.
    every = x @ weight.to(x.dtype).flatten(0, 1).t()
    every = every.unflatten(-1, weight.shape[:2])
    chosen = task.view(-1, *[1] * (every.ndim - 1)).expand(*every.shape[:-2], 1, every.shape[-1])
    return to_full_precision(every.gather(-2, chosen).squeeze(-2))


class _StaticTaskGateLayer(GateLayer):
    def __init__(self, gate: TaskGate, width: int, experts: int, tasks: int):
        super().__init__()
        self.weight = nn.Parameter(gate.drawn(tasks, experts))

    def forward(
        self, x: Float[Tensor, "*units width"], context: RoutingContext, site: LayerSite
    ) -> GateOutput:
        if context.single_task is not None:
            return GateOutput(
                logits=to_full_precision(self.weight[context.single_task][None]), is_uniform=True
            )
        task = context.get_task_of_rows(site.tower, x.shape[0]).to(x.device)
        return GateOutput(logits=to_full_precision(self.weight[task]), per_sample=True)
