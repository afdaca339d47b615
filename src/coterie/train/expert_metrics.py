"""What a record of the log has of the experts: their use, and how much tasks say about it."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerState

from coterie import distributed
from coterie.losses.base import sum_by_task_locally
from coterie.losses.mutual_information import compute_mutual_information
from coterie.routing.decision import Tape
from coterie.train.metric_log import compute_mean_weights, compute_usage_sums, merge_usage
from coterie.train.stage_setup import StageContext


class ExpertMetrics:
    """Sums over the parts of the step before a line, kept on the device; other steps add nothing.

    Where no stage's mixture decides, or units have no task, nothing is told.
    """

    def __init__(self, stage_context: StageContext, log_every: int) -> None:
        """
        Args:
            setting: says whether mixtures decide, and how often expert use is told.
            log_every: steps between two lines.
        """
        self.tasks, self.routed = stage_context.tasks, stage_context.is_routed
        self.log_every, self.log_usage_every = log_every, stage_context.log_usage_every
        self.clear()

    def clear(self) -> None:
        """Begins anew."""
        self.usage_sums: dict[str, Tensor] = {}
        self.task_expert_mass: dict[str, Tensor] = {}

    def is_due(self, state: TrainerState) -> bool:
        """Whether a line follows the step that is being computed."""
        # There is a line of the first step, too.
        return self.routed and (state.global_step == 0 or self._is_step_end(state, self.log_every))

    def _is_step_end(self, state: TrainerState, every: int) -> bool:
        step = state.global_step + 1
        return step == state.max_steps or step % every == 0

    def add(self, tape: Tape, state: TrainerState) -> None:
        """One part of a step, if a line follows."""
        if not self.is_due(state):
            return
        if self.log_usage_every and self._is_step_end(state, self.log_usage_every * self.log_every):
            for name, values in compute_usage_sums(tape).items():
                self.usage_sums[name] = self.usage_sums.get(name, 0) + values
        for name, mass in compute_task_expert_mass(tape).items():
            self.task_expert_mass[name] = self.task_expert_mass.get(name, 0) + mass

    def get_tensors(self) -> dict[str, Tensor]:
        """As a checkpoint holds it."""
        kinds = {"use": self.usage_sums, "mass": self.task_expert_mass}
        return {f"{kind}.{name}": each.cpu() for kind, sums in kinds.items()
                for name, each in sums.items()}  # fmt: skip

    def restore(self, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        """What `tensors` gave, among others."""
        self.clear()
        for kind, sums in (("use.", self.usage_sums), ("mass.", self.task_expert_mass)):
            sums |= {
                name.removeprefix(kind): each.to(device)
                for name, each in tensors.items()
                if name.startswith(kind)
            }

    def compute_metrics(self) -> dict[str, Any]:
        """The line's entries: "use", as `mean_use` has it, and "information", layer -> nats."""
        # All processes come here, also one that saw nothing: else the others would wait for it.
        use, mass = (_sum_over_processes(sums) for sums in (self.usage_sums, self.task_expert_mass))
        found = compute_layer_mutual_information(mass)
        use = compute_mean_weights(use, self.tasks)
        return {key: each for key, each in (("information", found), ("use", use)) if each}


@torch.no_grad()
def compute_task_expert_mass(tape: Tape) -> dict[str, Tensor]:
    """Layer -> what `MutualInformation` is of, for layers that know their units' tasks.

    A layer of one expert, or of one task, has nothing to tell.
    """
    return {
        name: sum_by_task_locally(routing.probs, routing, routing.task)
        for name, routing in tape.items()
        if routing.task is not None and routing.num_tasks > 1 and routing.probs.shape[1] > 1
    }


@torch.no_grad()
def compute_layer_mutual_information(mass: dict[str, Tensor]) -> dict[str, float]:
    """I(T; E) of each layer, in nats, to six places, from each task's mass for each expert.

    Layers that saw fewer than two tasks are left out: there is nothing to tell them apart by.
    """
    return {
        name: round(max(0.0, compute_mutual_information(each).item()), 6)
        for name, each in mass.items()
        if (each.sum(1) > 0).sum() > 1
    }


def _sum_over_processes(sums: dict[str, Tensor]) -> dict[str, Tensor]:
    """The sums over all processes; not all need have seen the same layers."""
    return merge_usage(
        distributed.all_gather_object({name: each.cpu() for name, each in sums.items()})
    )
