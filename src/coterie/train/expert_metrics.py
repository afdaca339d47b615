"""Expert usage and task-expert mutual information of log records."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerState

from coterie import distributed
from coterie.routing.decision import Tape
from coterie.routing.mutual_information import compute_mutual_information
from coterie.routing.usage import ExpertUsage, UsageStatistics
from coterie.train.stage_setup import StageContext

LOGGED_STATISTICS = ("mean_weight",)
"""The statistics of log.jsonl's "use"; all of them would make the log three times as long."""
TENSOR_PREFIX = "use."
DUE = "usage_is_due"


class ExpertMetrics:
    """Expert usage over the parts of the step before a log record, summed on the device.

    Other steps add nothing. There is no entry if no mixture of the stage routes.
    """

    def __init__(self, stage_context: StageContext, log_every: int) -> None:
        """Create empty sums.

        Args:
            stage_context: whether mixtures route, and how often usage is logged.
            log_every: steps between two records.
        """
        self.tasks, self.routed = stage_context.tasks, stage_context.is_routed
        self.log_every, self.log_usage_every = log_every, stage_context.log_usage_every
        self.clear()

    def clear(self) -> None:
        """Set all sums to zero."""
        self.usage = ExpertUsage(self.tasks, dtype=torch.float32, device=None)
        self.usage_is_due = False

    def is_due(self, state: TrainerState) -> bool:
        """Return whether a record follows the step that is being computed."""
        # The first step has a record, too.
        return self.routed and (state.global_step == 0 or self._is_step_end(state, self.log_every))

    def _is_step_end(self, state: TrainerState, every: int) -> bool:
        step = state.global_step + 1
        return step == state.max_steps or step % every == 0

    def add(self, tape: Tape, state: TrainerState) -> None:
        """Add one part of a step, if a record follows."""
        if not self.is_due(state):
            return
        every = self.log_usage_every * self.log_every
        self.usage_is_due = bool(every) and self._is_step_end(state, every)
        self.usage.add(tape)

    def get_tensors(self) -> dict[str, Tensor]:
        """Return the sums as a checkpoint holds them."""
        tensors = {f"{TENSOR_PREFIX}{name}": sums.cpu() for name, sums in self.usage.sums.items()}
        return tensors | {DUE: torch.tensor(self.usage_is_due)}

    def restore(self, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        """Restore what `get_tensors` returned; other entries of `tensors` are ignored."""
        self.clear()
        self.usage.sums = {
            name.removeprefix(TENSOR_PREFIX): sums.to(device)
            for name, sums in tensors.items()
            if name.startswith(TENSOR_PREFIX)
        }
        self.usage_is_due = bool(tensors[DUE])

    def compute_metrics(self) -> dict[str, Any]:
        """Compute a record's entries from the sums over all processes.

        "information" is layer -> I(T; E) in nats, "use" layer -> statistic -> task -> a number for
        each expert.
        """
        # All processes call this, even without sums: otherwise the others would wait.
        usage = merge_over_processes(self.usage)
        entries = {"information": compute_layer_information(usage)}
        if self.usage_is_due:
            entries |= {"use": round_statistics(usage.compute_means(LOGGED_STATISTICS))}
        return {name: entry for name, entry in entries.items() if entry}


def compute_layer_information(usage: ExpertUsage) -> dict[str, float]:
    """Compute I(T; E) of each layer from sums of probabilities, in nats, to six places.

    Layers of one expert, and layers where fewer than two tasks had units, are skipped.
    """
    masses = {layer: usage.get_mass(layer) for layer in usage.sums}
    return {
        layer: round(max(0.0, compute_mutual_information(mass).item()), 6)
        for layer, mass in masses.items()
        if mass.shape[1] > 1 and (mass.sum(1) > 0).sum() > 1
    }


def round_statistics(usage: UsageStatistics) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Round statistics to six places, which makes the log a third as long."""
    return {
        layer: {
            name: {task: [round(each, 6) for each in row] for task, row in by_task.items()}
            for name, by_task in statistics.items()
        }
        for layer, statistics in usage.items()
    }


def merge_over_processes(usage: ExpertUsage) -> ExpertUsage:
    """Sum usage over all processes, on the CPU; they may have seen different layers."""
    own = ExpertUsage(usage.tasks, dtype=usage.dtype)
    own.sums = {layer: sums.cpu() for layer, sums in usage.sums.items()}
    return ExpertUsage.merge(distributed.all_gather_object(own))
