"""Each task has its own gate (Mod-Squad, arXiv:2212.08066; Ma et al. 2018, MMoE)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coterie.routing.decision import full_precision
from coterie.routing.gates.base import Answer, Gate, GateLayer, Place
from coterie.routing.state import State


@dataclass(frozen=True, kw_only=True)
class TaskGate(Gate):
    """A matrix for each task: logits = W_task x for every token of the task's samples.

    Attributes:
        per_token: False gives each task one row of logits instead, whatever the token says. The
            decision is then the task's alone: it is served, folded and exported exactly.
        init_std: standard deviation at the start; 0, Mod-Squad's, starts from a uniform decision.
    """

    per_token: bool = True
    init_std: float = 0.0

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
        return (_TokensOfTask if self.per_token else _WholeTask)(self, width, experts, tasks)


class _TokensOfTask(GateLayer):
    def __init__(self, gate: TaskGate, width: int, experts: int, tasks: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(tasks, experts, width) * gate.init_std)

    def forward(self, x: Float[Tensor, "*units width"], state: State, place: Place) -> Answer:
        if state.single_task is not None:
            return Answer(rows=self.weight[state.single_task])
        task = state.task_of(place.tower, x.shape[0]).to(x.device)
        if x.ndim == 3:
            matrices = self.weight.to(x.dtype)[task]
            return Answer(logits=full_precision(torch.bmm(x, matrices.transpose(1, 2))))
        # Packed rows have no token axis: a matrix a row would be huge, all tasks' logits are not.
        every = x @ self.weight.to(x.dtype).flatten(0, 1).t()
        every = every.unflatten(-1, self.weight.shape[:2])
        chosen = task.view(-1, *[1] * (every.ndim - 1)).expand(
            *every.shape[:-2], 1, every.shape[-1]
        )
        return Answer(logits=full_precision(every.gather(-2, chosen).squeeze(-2)))


class _WholeTask(GateLayer):
    def __init__(self, gate: TaskGate, width: int, experts: int, tasks: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(tasks, experts) * gate.init_std)

    def forward(self, x: Float[Tensor, "*units width"], state: State, place: Place) -> Answer:
        if state.single_task is not None:
            return Answer(logits=full_precision(self.weight[state.single_task][None]), uniform=True)
        task = state.task_of(place.tower, x.shape[0]).to(x.device)
        return Answer(logits=full_precision(self.weight[task]), per_sample=True)
