"""`ExpertUsage`: each task's use of each expert, or each modality's, over many forward passes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from coterie.routing.decision import Routing, Tape

STATISTICS = ("mean_weight", "chosen", "probability")
"""Over a task's units, by expert: mean weight, share of units that chose it, mean probability."""
SUMS = ("weights", "choices", "probabilities")
Device = str | torch.device | None
TaskSums = Float[Tensor, "tasks statistics"]
UsageStatistics = Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]
"""layer -> statistic -> task -> a number for each expert, as in log.jsonl and routing.json."""


class ExpertUsage:
    """Sums of each expert's weights, choices and probabilities over each task's units (`Routing`).

    `sums` is layer -> [tasks, 3 * experts + 1], the number of units in the last column. `tasks` are
    the names, in the order of task ids, or of modalities for `add_by_modality`. Padding does not
    count.
    """

    def __init__(
        self, tasks: Sequence[str], *, dtype: torch.dtype = torch.float64, device: Device = "cpu"
    ) -> None:
        """Initialise empty sums; device None is the routing's, so that training does not wait."""
        self.tasks: tuple[str, ...] = tuple(tasks)
        self.dtype, self.device = dtype, device
        self.sums: dict[str, TaskSums] = {}

    @torch.no_grad()
    def add(self, tape: Tape, *, task: str | None = None) -> None:
        """Add the units of one forward pass.

        `task` is that of all units; None for the task that the routing has for each unit. Layers
        without a task for each unit are then skipped, unless there is only one task.
        """
        only = self.tasks[0] if task is None and len(self.tasks) == 1 else task
        number = None if only is None else self.tasks.index(only)
        for layer, routing in tape.items():
            if number is not None or routing.task is not None:
                sums = self._sum_routing(routing, number)
                self.sums[layer] = self.sums.get(layer, 0) + sums

    @torch.no_grad()
    def add_by_modality(self, tape: Tape) -> None:
        """Add the units of one forward pass to the modality of each; `tasks` has their names.

        Layers that do not know their units' modalities are skipped, as those that decide by sample.
        """
        for layer, routing in tape.items():
            if routing.modality is not None:
                order = [self.tasks.index(name) for name in routing.modalities]
                groups = torch.tensor(order, device=routing.modality.device)[routing.modality]
                sums = self._sum_routing(replace(routing, task=groups), None)
                self.sums[layer] = self.sums.get(layer, 0) + sums

    def _sum_routing(self, routing: Routing, number: int | None) -> TaskSums:
        # Moved before the cast, because not all devices have float64.
        weights, probs = (
            each.detach().to(self.device or each.device).to(self.dtype)
            for each in (routing.weights, routing.probs)
        )
        ones = weights.new_ones(len(weights), 1)
        rows = torch.cat([weights, (weights != 0).to(weights.dtype), probs, ones], 1)
        if routing.valid is not None:
            # Not a product with the mask: padding may hold NaN.
            rows = rows.where(routing.valid.to(rows.device)[:, None], 0.0)
        sums = rows.new_zeros(len(self.tasks), rows.shape[1])
        if number is not None:
            sums[number] = rows.sum(0)
            return sums
        assert routing.task is not None
        task_ids: Int[Tensor, " units"] = routing.task.to(rows.device)
        return sums.index_add(0, task_ids, rows)

    def get_mass(self, layer: str) -> Float[Tensor, "tasks experts"]:
        """Return the sums of probabilities in a layer."""
        return self.sums[layer][:, :-1].chunk(3, 1)[2]

    @classmethod
    def merge(cls, usages: Iterable["ExpertUsage"]) -> "ExpertUsage":
        """Return the sums of several usages of the same tasks; their layers may differ.

        Raises ValueError if there are none, or the tasks differ.
        """
        usages = list(usages)
        given = {usage.tasks for usage in usages}
        if len(given) != 1:
            raise ValueError(
                f"usages of the tasks {sorted(given)}: give at least one, all of equal tasks"
            )
        merged = cls(usages[0].tasks, dtype=usages[0].dtype, device=usages[0].device)
        for usage in usages:
            for layer, sums in usage.sums.items():
                merged.sums[layer] = merged.sums.get(layer, 0) + sums
        return merged

    def compute_means(self, statistics: Sequence[str] = STATISTICS) -> UsageStatistics:
        """Return the `STATISTICS` over the units of each task that has units in the layer."""
        names = dict(zip(SUMS, STATISTICS, strict=True))
        return {
            layer: {names[part]: parts[part] for part in SUMS if names[part] in statistics}
            for layer, sums in self.sums.items()
            if (parts := self._split_sums(sums / sums[:, -1:].clamp_min(1)))["count"]
        }

    def to_json(self, task: str | None = None) -> dict[str, dict[str, dict[str, list[float]]]]:
        """Return the exact sums as layer -> `SUMS` or "count" -> task -> numbers.

        They are those of one task, or with None of all.
        """
        split = {layer: self._split_sums(sums, task) for layer, sums in self.sums.items()}
        return {layer: parts for layer, parts in split.items() if parts["count"]}

    def _split_sums(
        self, sums: TaskSums, only: str | None = None
    ) -> dict[str, dict[str, list[float]]]:
        """Split columns by kind and rows by task; tasks without units are left out."""
        parts = (*sums[:, :-1].chunk(3, 1), sums[:, -1:])
        wanted = range(len(self.tasks)) if only is None else [self.tasks.index(only)]
        seen = [number for number in wanted if sums[number, -1] > 0]
        return {
            name: {self.tasks[number]: part[number].tolist() for number in seen}
            for name, part in zip((*SUMS, "count"), parts, strict=True)
        }

    @classmethod
    def from_json(cls, data: UsageStatistics, tasks: Sequence[str]) -> "ExpertUsage":
        """Restore a usage from the result of `to_json` on these tasks or some of them."""
        usage = cls(tasks)
        for layer, parts in data.items():
            kinds = [parts[name] for name in (*SUMS, "count")]
            rows = [[value for kind in kinds for value in kind.get(task, ())] for task in tasks]
            length = max(map(len, rows), default=0)
            padded = [row or [0.0] * length for row in rows]
            usage.sums[layer] = torch.tensor(padded, dtype=torch.float64)
        return usage


def select_task(usage: UsageStatistics, task: str) -> dict[str, dict[str, list[float]]]:
    """Return one task's usage, layer -> statistic -> a number for each expert."""
    return {
        layer: {name: list(by_task[task]) for name, by_task in statistics.items()}
        for layer, statistics in usage.items()
        if all(task in by_task for by_task in statistics.values())
    }
