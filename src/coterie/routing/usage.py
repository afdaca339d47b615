"""`ExpertUsage`: how much each task uses each expert, summed over the units of many passes."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from coterie.routing.decision import Routing, Tape

STATISTICS = ("mean_weight", "chosen", "probability")
"""Over a task's units, by expert: mean weight, share of units that chose it, mean probability."""
SUMS = ("weights", "choices", "probabilities")
UsageStatistics = Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]
"""layer -> statistic -> task -> a number for each expert; log.jsonl and routing.json have it so."""


class ExpertUsage:
    """Sums of each expert's weights, choices and probabilities over the units of each task.

    A unit is a token, or a sample where one decision serves the whole sample. Padding does not
    count.

    Attributes:
        tasks: the tasks' names, in the order of task ids.
        sums: layer -> [tasks, 3 * experts + 1]: weights, choices, probabilities, and in the last
            column the number of units.
    """

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        dtype: torch.dtype = torch.float64,
        device: str | torch.device | None = "cpu",
    ) -> None:
        """
        Args:
            tasks: at least one.
            dtype: of the sums.
            device: where they are computed; None for where the routing is, so that a training
                step does not wait for the device.
        """
        self.tasks: tuple[str, ...] = tuple(tasks)
        self.dtype, self.device = dtype, device
        self.sums: dict[str, Float[Tensor, "tasks sums"]] = {}

    @torch.no_grad()
    def add(self, tape: Tape, *, task: str | None = None) -> None:
        """Add the units of one forward pass.

        Args:
            tape: its routing.
            task: the task of all units; None for the task that the routing has for each unit.
                Layers whose routing has none are then left out, unless there is one task alone.
        """
        only = self.tasks[0] if task is None and len(self.tasks) == 1 else task
        number = None if only is None else self.tasks.index(only)
        for layer, routing in tape.items():
            if number is None and routing.task is None:
                continue
            sums = self._sum_routing(routing, number)
            self.sums[layer] = self.sums[layer] + sums if layer in self.sums else sums

    def _sum_routing(self, routing: Routing, number: int | None) -> Float[Tensor, "tasks sums"]:
        weights, probs = (self._convert(each) for each in (routing.weights, routing.probs))
        ones = weights.new_ones(len(weights), 1)
        rows = torch.cat([weights, (weights != 0).to(weights.dtype), probs, ones], 1)
        if routing.valid is not None:
            # Not a product: padding may hold NaN.
            rows = rows.where(routing.valid.to(rows.device)[:, None], 0.0)
        sums = rows.new_zeros(len(self.tasks), rows.shape[1])
        if number is not None:
            sums[number] = rows.sum(0)
            return sums
        assert routing.task is not None
        task_ids: Int[Tensor, " units"] = routing.task.to(rows.device)
        return sums.index_add(0, task_ids, rows)

    def _convert(self, values: Float[Tensor, "units experts"]) -> Float[Tensor, "units experts"]:
        values = values.detach()
        # First to the device: not all have float64.
        return (values if self.device is None else values.to(self.device)).to(self.dtype)

    def get_mass(self, layer: str) -> Float[Tensor, "tasks experts"]:
        """Return the sums of probabilities in a layer."""
        sums = self.sums[layer]
        experts = (sums.shape[1] - 1) // 3
        return sums[:, 2 * experts : 3 * experts]

    @classmethod
    def merge(cls, usages: Iterable["ExpertUsage"]) -> "ExpertUsage":
        """Return the sums of several, of the same tasks; not all need have the same layers.

        Raises ValueError if there are none, or the tasks differ.
        """
        usages = list(usages)
        if len({usage.tasks for usage in usages}) != 1:
            given = sorted({usage.tasks for usage in usages})
            raise ValueError(f"usages of the tasks {given}: give at least one, all of equal tasks")
        first = usages[0]
        merged = cls(first.tasks, dtype=first.dtype, device=first.device)
        for usage in usages:
            for layer, sums in usage.sums.items():
                merged.sums[layer] = merged.sums[layer] + sums if layer in merged.sums else sums
        return merged

    def select(self, task: str) -> "ExpertUsage":
        """Return the sums of one task alone, of the same tasks: those of others are 0."""
        selected = ExpertUsage(self.tasks, dtype=self.dtype, device=self.device)
        number = self.tasks.index(task)
        for layer, sums in self.sums.items():
            selected.sums[layer] = torch.zeros_like(sums)
            selected.sums[layer][number] = sums[number]
        return selected

    def compute_means(self, statistics: Sequence[str] = STATISTICS) -> UsageStatistics:
        """Return the `STATISTICS` over the units of each task that had units in the layer."""
        means: dict[str, dict[str, dict[str, list[float]]]] = {}
        for layer, sums in self.sums.items():
            if not bool(sums[:, -1].any()):
                continue
            parts = self._split_sums(sums / sums[:, -1:].clamp_min(1))
            means[layer] = {
                name: parts[part]
                for name, part in zip(STATISTICS, SUMS, strict=True)
                if name in statistics
            }
        return means

    def to_json(self) -> dict[str, dict[str, dict[str, list[float]]]]:
        """Return the sums as layer -> `SUMS` or "count" -> task -> numbers, without loss."""
        return {
            layer: self._split_sums(sums)
            for layer, sums in self.sums.items()
            if bool(sums[:, -1].any())
        }

    def _split_sums(self, sums: Float[Tensor, "tasks sums"]) -> dict[str, dict[str, list[float]]]:
        """Split columns by kind and rows by task; tasks without units are left out."""
        experts = (sums.shape[1] - 1) // 3
        seen = [number for number, row in enumerate(sums.tolist()) if row[-1] > 0]
        parts = sums.split([experts, experts, experts, 1], dim=1)
        return {
            name: {self.tasks[number]: part[number].tolist() for number in seen}
            for name, part in zip((*SUMS, "count"), parts, strict=True)
        }

    @classmethod
    def from_json(
        cls,
        data: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]],
        tasks: Sequence[str],
    ) -> "ExpertUsage":
        """Read what `to_json` returned, of these tasks or of some of them."""
        usage = cls(tasks)
        for layer, parts in data.items():
            rows = [
                [value for name in (*SUMS, "count") for value in parts[name].get(task, ())]
                for task in tasks
            ]
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
