"""`TaskGate`: one gate for each task (Mod-Squad, arXiv:2212.08066; Ma et al. 2018, MMoE)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from coterie.annotations import check_choices
from coterie.routing.context import RoutingContext
from coterie.routing.decision import LayerInput, to_full_precision
from coterie.routing.gates.base import (
    Gate,
    GateLayer,
    GateOutput,
    LayerSite,
    check_init_std,
    gather_logits,
)

TaskMatrices = Float[Tensor, "tasks out width"]
MIN_NOISE_STD = 1e-2
"""Least standard deviation of the noise, as in Mod-Squad's released code."""


@dataclass(frozen=True, kw_only=True)
class TaskGate(Gate):
    """A matrix for each task: logits = W_task x for every token of the task's samples.

    Attributes:
        per_token: False gives each task one row of logits for all its tokens instead, and merges
            and exports are exact.
        init_std: standard deviation at initialisation. 0 starts from a uniform decision; all tokens
            then have the same experts at first. Mod-Squad's released models start at 0.02: their
            gate layer is initialised to zeros, which the model's own initialisation overwrites.
        init: the distribution at initialisation, "normal" or "uniform" (M3ViT), of that deviation.
        noisy: add normal noise of a learned scale to a token's logits, in training: logits = W x +
            (softplus(V x) + 0.01) n, n ~ N(0, 1), with W and V in one matrix of twice the rows
            (`noisy_gating` of Mod-Squad's released code; Shazeer et al. 2017, arXiv:1701.06538,
            eq. 4).
        noise_in_evaluation: add the noise in evaluation, too, as the code does, so that outputs
            are not reproducible.
    """

    needs_task_ids: ClassVar[bool] = True
    per_token: bool = True
    init_std: float = 0.0
    init: Literal["normal", "uniform"] = "normal"
    noisy: bool = False
    noise_in_evaluation: bool = False

    def __post_init__(self) -> None:
        check_choices(self)
        check_init_std(self, self.init_std)
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
    def depends_on_task_only(self) -> bool:
        return not self.per_token

    def build(self, width: int, experts: int, tasks: int) -> GateLayer:
        if tasks == 0:
            raise ValueError(
                "TaskGate has one gate a task and no task was named: pass tasks=(...) to graft"
            )
        if not self.per_token:
            return _StaticTaskGateLayer(self, self._sample_weights(tasks, experts))
        rows = 2 * experts if self.noisy else experts
        return _TokenTaskGateLayer(self, self._sample_weights(tasks, rows, width))

    def _sample_weights(self, *shape: int) -> Float[Tensor, "tasks ..."]:
        if self.init == "normal":
            return torch.randn(*shape) * self.init_std
        # The variance of the uniform distribution on [-1, 1] is 1/3.
        return (2 * torch.rand(*shape) - 1) * (math.sqrt(3) * self.init_std)

    def select_rows(self, experts: Sequence[int], *, total: int) -> list[int]:
        """Return the rows of a task's matrix that belong to some of its `total` experts."""
        return [*experts, *(total + each for each in experts)] if self.noisy else list(experts)


def _check_tasks(weight: Float[Tensor, "tasks ..."], context: RoutingContext) -> None:
    """Raise ValueError for a task that this adapter has no gate for: others may have more."""
    highest = context.highest_task
    if highest is not None and highest >= len(weight):
        raise ValueError(
            f"task_ids has {highest}, but this adapter was grafted for {len(weight)} tasks: "
            f"allowed are 0 to {len(weight) - 1}"
        )


class _TokenTaskGateLayer(GateLayer):
    """If `noisy`, half of each task's rows compute the logits, half the noise's scale."""

    def forward(self, x: LayerInput, context: RoutingContext, site: LayerSite) -> GateOutput:
        if not (self.gate.noisy and (self.training or self.gate.noise_in_evaluation)):
            weight = self.weight.chunk(2, 1)[0] if self.gate.noisy else self.weight
            return _route_by_task(weight, x, context, site)
        gate_output = _route_by_task(self.weight, x, context, site)
        both = gate_output.logits
        if gate_output.gate_weight is not None:
            both = to_full_precision(x @ gate_output.gate_weight.to(x.dtype).t())
        assert both is not None
        clean, raw = both.chunk(2, -1)
        # From torch's global generator, as routers' noise: a resumed run samples the same values.
        noise = (F.softplus(raw) + MIN_NOISE_STD) * torch.randn_like(clean)
        return GateOutput(logits=clean + noise)


def _route_by_task(
    weight: TaskMatrices, x: LayerInput, context: RoutingContext, site: LayerSite
) -> GateOutput:
    """Return logits by each token's task, or the matrix alone if one task fills the batch."""
    _check_tasks(weight, context)
    if context.single_task is not None:
        return GateOutput(gate_weight=weight[context.single_task])
    task = context.get_task_of_rows(site.tower, x.shape[:-1]).to(x.device)
    if x.ndim != 3:  # packed rows have no token axis
        return GateOutput(logits=gather_logits(x, weight, task))
    logits = torch.bmm(x, weight.to(x.dtype)[task].transpose(1, 2))
    return GateOutput(logits=to_full_precision(logits))


class _StaticTaskGateLayer(GateLayer):
    def forward(self, x: LayerInput, context: RoutingContext, site: LayerSite) -> GateOutput:
        _check_tasks(self.weight, context)
        if context.single_task is not None:
            logits = to_full_precision(self.weight[context.single_task][None])
            return GateOutput(logits=logits, is_uniform=True)
        task = context.get_task_of_rows(site.tower, x.shape[:-1]).to(x.device)
        return GateOutput(logits=to_full_precision(self.weight[task]), per_sample=True)
