"""`RunningSums`: losses, expert usage and task-expert information of one record of the log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerState, TrainingArguments

from coterie import distributed
from coterie.routing.decision import Tape
from coterie.routing.mutual_information import compute_mutual_information
from coterie.routing.usage import ExpertUsage, UsageStatistics
from coterie.tasks.losses import TaskLossSums
from coterie.train.dead_experts import DeadExpertWatch
from coterie.train.stage_context import StageContext

LOGGED_STATISTICS = ("mean_weight",)
"""The statistics of log.jsonl's "use"; all of them would make the log three times as long."""
LOSSES_PREFIX, USAGE_PREFIX = "window.", "use."
DUE, FACTORS = "usage_is_due", "loss_factors"
"""Of the names of the tensors in a checkpoint."""
MEANS = ("loss", "routing")
"""The sums of losses whose mean over processes, not whose sum, is the global batch's."""


@dataclass(frozen=True)
class LossSums:
    """The losses of some steps on this process: a step's loss, and sums and counts by task."""

    loss: float
    sums: tuple[float, ...]
    counts: tuple[float, ...]

    def __sub__(self, earlier: "LossSums") -> "LossSums":
        """Return the losses of the steps since `earlier`."""
        sums, counts = (
            tuple(a - b for a, b in zip(mine, theirs, strict=True))
            for mine, theirs in ((self.sums, earlier.sums), (self.counts, earlier.counts))
        )
        return LossSums(self.loss - earlier.loss, sums, counts)


class RunningSums:
    """Sums since the last record, on the device, so that no step synchronises with the CPU.

    Losses are summed over all steps, expert usage over the parts of the step before the record.
    `factors` are those of the routing losses, as `RoutingLoss.adapt` has them, which stay.
    """

    def __init__(self, context: StageContext, args: TrainingArguments) -> None:
        self.context, self.tasks, self.device = context, context.config.task_names, args.device
        # Devices of type "mps" have no float64.
        self.dtype = torch.float32 if self.device.type == "mps" else torch.float64
        self.watch = DeadExpertWatch(context.mixtures)
        self.factors = torch.ones(len(context.losses), device=self.device, dtype=self.dtype)
        self.clear()

    def clear(self) -> None:
        """Set all sums to zero."""
        tasks, routing = len(self.tasks), len(self.context.losses)
        sizes = {"loss": 1, "sums": tasks, "counts": tasks, "routing": routing}
        zeros = partial(torch.zeros, device=self.device, dtype=self.dtype)
        self.sums = {name: zeros(size) for name, size in sizes.items()}
        self.usage = ExpertUsage(self.tasks, dtype=torch.float32, device=None)
        self.usage_is_due = False

    def needs_routing(self, state: TrainerState) -> bool:
        """Return whether a record with routing follows the step that is being computed."""
        # The first step has a record, too.
        return self.context.is_routed and (
            state.global_step == 0 or self._is_step_end(state, self.context.config.log_every)
        )

    def _is_step_end(self, state: TrainerState, every: int) -> bool:
        step = state.global_step + 1
        return step == state.max_steps or step % every == 0

    def add_losses(self, loss: Tensor, found: TaskLossSums, routing: Sequence[Tensor]) -> None:
        """Add one part of a step: its share of the loss, and of each routing loss."""
        self.sums["loss"] += loss.detach()
        self.sums["sums"] += found.sums.detach()
        self.sums["counts"] += found.counts
        if routing:
            self.sums["routing"] += torch.stack([each.detach() for each in routing])

    def weigh_routing_losses(self, tape: Tape, *, share: float) -> list[Tensor]:
        """Compute the routing losses of a share of a step, and adapt their factors."""
        losses, factors = self.context.losses, self.factors.unbind()
        weighed = [
            each(tape) * factor.to(torch.float32)
            for each, factor in zip(losses, factors, strict=True)
        ]
        with torch.no_grad():
            adapted = [
                each.adapt(factor, tape, share=share)
                for each, factor in zip(losses, factors, strict=True)
            ]
        self.factors = torch.stack(adapted)
        return weighed

    def add_usage(self, tape: Tape, state: TrainerState) -> None:
        """Add the expert usage of one part of a step, if a record follows."""
        if self.needs_routing(state):
            every = self.context.config.log_usage_every * self.context.config.log_every
            is_first = state.global_step == 0  # so that later use can be compared with new gates
            self.usage_is_due = bool(every) and (is_first or self._is_step_end(state, every))
            self.usage.add(tape)

    def read_losses(self) -> LossSums:
        """Read this process's losses since the last record: waits for the device."""
        read = {name: tuple(self.sums[name].tolist()) for name in ("loss", "sums", "counts")}
        return LossSums(read["loss"][0], read["sums"], read["counts"])

    def get_tensors(self) -> dict[str, Tensor]:
        """Return the sums over all processes as a checkpoint holds them."""
        totals, usage = self._compute_totals(), self._merge_usage()
        losses = {f"{LOSSES_PREFIX}{name}": sums.cpu() for name, sums in totals.items()}
        usages = {f"{USAGE_PREFIX}{name}": sums for name, sums in usage.sums.items()}
        own = {DUE: torch.tensor(self.usage_is_due), FACTORS: self.factors.cpu()}
        return losses | usages | own

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore this process's share of what `get_tensors` returned, which may be of others.

        Other entries of `tensors` are ignored.
        """
        for prefix, sums in ((LOSSES_PREFIX, self.sums), (USAGE_PREFIX, self.usage.sums)):
            for name, values in tensors.items():
                if name.startswith(prefix):
                    mine = values.to(self.device)
                    is_mean = name.removeprefix(LOSSES_PREFIX) in MEANS
                    sums[name.removeprefix(prefix)] = (
                        mine if is_mean else mine / distributed.get_world_size()
                    )
        self.usage_is_due = bool(tensors[DUE])
        self.factors = tensors[FACTORS].to(self.factors)

    def make_record(self, step: int, num_steps: int, measured: Mapping[str, Any]) -> dict[str, Any]:
        """Make the record of the steps since the last one; all processes must call this.

        Args:
            step: of the stage, counted from 1.
            num_steps: since the last record.
            measured: entries of this step: learning rate, gradient norm before clipping, and
                validation losses by task, if there are any.

        "stage_epoch" and "samples" count from the start of the stage, "step" and "time_s" from that
        of the run. "information" is layer -> I(T; E) in nats, "use" layer -> statistic -> task -> a
        number for each expert; they are left out where no mixture of the stage routes.
        """
        context, totals = self.context, self._compute_totals()
        sums, counts, routing = (totals[name].tolist() for name in ("sums", "counts", "routing"))
        by_task = zip(self.tasks, sums, counts, strict=True)
        names = [type(each).__name__ for each in context.losses]
        by_loss = zip(names, routing, strict=True)
        samples = step * context.config.get_global_batch_size(context.stage)
        return {
            "step": context.finished_steps + step,
            "stage": context.stage.name,
            "stage_epoch": round(samples / len(context.dataset), 4),
            "time_s": round(context.metric_log.get_time_s(), 3),
            "samples": samples,
            "loss": totals["loss"].item() / num_steps,
            "task_loss": {name: total / count for name, total, count in by_task if count},
            "routing_loss": {name: total / num_steps for name, total in by_loss},
            **measured,
            **self._compute_usage(is_last=step == context.stage.steps),
        }

    def _compute_totals(self) -> dict[str, Tensor]:
        """Sum over all processes; `MEANS` are averaged."""
        totals = {name: values.clone() for name, values in self.sums.items()}
        distributed.all_reduce_sum(*totals.values())
        for name in MEANS:
            totals[name] /= distributed.get_world_size()
        return totals

    def _merge_usage(self) -> ExpertUsage:
        """Sum over all processes, which may have seen different layers, or none; on the CPU."""
        own = ExpertUsage(self.tasks, dtype=self.usage.dtype)
        own.sums = {layer: sums.cpu() for layer, sums in self.usage.sums.items()}
        return ExpertUsage.merge(distributed.all_gather_object(own))

    def _compute_usage(self, *, is_last: bool) -> dict[str, Any]:
        usage = self._merge_usage()
        if usage.sums:
            self.watch.add(usage, is_last=is_last)
        entries: dict[str, Any] = {"information": compute_layer_information(usage)}
        if self.usage_is_due:
            entries["use"] = round_statistics(usage.compute_means(LOGGED_STATISTICS))
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
