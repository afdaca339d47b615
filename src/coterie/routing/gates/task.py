"""Each task has its own gate (Mod-Squad, arXiv:2212.08066; Ma et al. 2018, MMoE)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from coterie.routing.decision import full_precision
from coterie.routing.gates.base import Answer, Gate, GateLayer, Place
from coterie.routing.state import State

NARROWEST = 1e-2
"""Of the noise's width, as in Mod-Squad's released code."""


@dataclass(frozen=True, kw_only=True)
class TaskGate(Gate):
    """A matrix for each task: logits = W_task x for every token of the task's samples.

    Attributes:
        per_token: False gives each task one row of logits instead, whatever the token says. The
            decision is then the task's alone: it is served, folded and exported exactly.
        init_std: standard deviation at the start. 0 starts from a uniform decision; all tokens
            then have the same experts at first. Mod-Squad's released models start at 0.02: their
            gates' layer has zeros, which the model's own initialisation overwrites.
        init: the distribution at the start, "normal" or "uniform" (M3ViT), of that deviation.
        noisy: add normal noise of a learned width to a token's logits, in training: logits = W x +
            (softplus(V x) + 0.01) n, n ~ N(0, 1), with W and V in one matrix of twice the rows
            (`noisy_gating` of Mod-Squad's released code; Shazeer et al. 2017, arXiv:1701.06538,
            eq. 4). It is in the logits before any router sees them. Departs: the code draws it in
            evaluation, too, so that no two answers are alike.
        noise_in_evaluation: as the code does.
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
    def needs_tasks(self) -> bool:
        return True

    @property
    def is_static(self) -> bool:
        return not self.per_token

    def build(self, width: int, experts: int, tasks: int) -> GateLayer:
        if tasks == 0:
            raise ValueError(
                "TaskGate has one gate a task and no task was named: pass tasks=(...) to graft"
            )
        kind = _NoisyTokensOfTask if self.noisy else _TokensOfTask
        return (kind if self.per_token else _WholeTask)(self, width, experts, tasks)

    def drawn(self, *shape: int) -> Float[Tensor, "tasks ..."]:
        """Weights at the start."""
        if self.init == "normal":
            return torch.randn(*shape) * self.init_std
        # Uniform on -1 to 1 has the variance 1/3.
        return (2 * torch.rand(*shape) - 1) * (math.sqrt(3) * self.init_std)

    def rows(self, experts: Sequence[int], *, of: int) -> list[int]:
        """The rows of a task's matrix that some of its `of` experts have."""
        return [*experts, *(of + each for each in experts)] if self.noisy else list(experts)


class _TokensOfTask(GateLayer):
    def __init__(self, gate: TaskGate, width: int, experts: int, tasks: int):
        super().__init__()
        self.weight = nn.Parameter(gate.drawn(tasks, experts, width))

    def forward(self, x: Float[Tensor, "*units width"], state: State, place: Place) -> Answer:
        return _answer(self.weight, x, state, place)


class _NoisyTokensOfTask(GateLayer):
    """Of each task's rows, the first half make the logits and the others the noise's width."""

    def __init__(self, gate: TaskGate, width: int, experts: int, tasks: int):
        super().__init__()
        self.experts, self.always = experts, gate.noise_in_evaluation
        self.weight = nn.Parameter(gate.drawn(tasks, 2 * experts, width))

    def forward(self, x: Float[Tensor, "*units width"], state: State, place: Place) -> Answer:
        if not (self.training or self.always):
            return _answer(self.weight[:, : self.experts], x, state, place)
        answer = _answer(self.weight, x, state, place)
        both = answer.logits
        if answer.rows is not None:
            both = full_precision(x @ answer.rows.to(x.dtype).t())
        assert both is not None
        clean, raw = both.chunk(2, -1)
        # From torch's global generator, as routers' noise: a resumed run draws the same again.
        return Answer(logits=clean + (F.softplus(raw) + NARROWEST) * torch.randn_like(clean))


def _answer(
    weight: Float[Tensor, "tasks out width"],
    x: Float[Tensor, "*units width"],
    state: State,
    place: Place,
) -> Answer:
    """Each token through its task's matrix; the matrix alone where one task fills the batch."""
    if state.single_task is not None:
        return Answer(rows=weight[state.single_task])
    task = state.task_of(place.tower, x.shape[0]).to(x.device)
    return Answer(logits=_products(weight, x, task))


def _products(
    weight: Float[Tensor, "tasks out width"],
    x: Float[Tensor, "*units width"],
    task: Int[Tensor, " rows"],
) -> Float[Tensor, "*units out"]:
    if x.ndim == 3:
        return full_precision(torch.bmm(x, weight.to(x.dtype)[task].transpose(1, 2)))
    # Packed rows have no token axis: a matrix a row would be huge, all tasks' products are not.
    every = x @ weight.to(x.dtype).flatten(0, 1).t()
    every = every.unflatten(-1, weight.shape[:2])
    chosen = task.view(-1, *[1] * (every.ndim - 1)).expand(*every.shape[:-2], 1, every.shape[-1])
    return full_precision(every.gather(-2, chosen).squeeze(-2))


class _WholeTask(GateLayer):
    def __init__(self, gate: TaskGate, width: int, experts: int, tasks: int):
        super().__init__()
        self.weight = nn.Parameter(gate.drawn(tasks, experts))

    def forward(self, x: Float[Tensor, "*units width"], state: State, place: Place) -> Answer:
        if state.single_task is not None:
            return Answer(logits=full_precision(self.weight[state.single_task][None]), uniform=True)
        task = state.task_of(place.tower, x.shape[0]).to(x.device)
        return Answer(logits=full_precision(self.weight[task]), per_sample=True)
