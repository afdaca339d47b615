"""What a task's score becomes as experts are cut away: a point for each threshold."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from peft import PeftModel

from coterie.dense.pruned import PrunedVisionModel
from coterie.extract.keeping import PruningOptions
from coterie.extract.pruned import LayerUse, check, prune, select_remaining_experts
from coterie.extract.size import ParameterCounts, count_pruned_parameters

THRESHOLDS = (0.0, 0.01, 0.03, 0.05, 0.1, 0.2, 0.4, 1.0)
"""By the rule of `keeping.kept`, the share of tokens that must choose an expert for it to stay; at
1 only as many stay as a token uses."""


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """One pruned model.

    Attributes:
        threshold: see `Pruning`.
        size: numbers in its weights.
        stay: layer -> numbers of the experts that stay.
        score: what `score` said of it.
    """

    threshold: float
    parameters: ParameterCounts
    remaining_experts: Mapping[str, tuple[int, ...]]
    score: float

    @property
    def experts(self) -> int:
        """How many experts stay, all layers together."""
        return sum(map(len, self.remaining_experts.values()))


def compute_pruning_curve(
    model: PeftModel,
    *,
    task: str,
    use: Mapping[str, LayerUse],
    score: Callable[[PrunedVisionModel], float],
    thresholds: Sequence[float] = THRESHOLDS,
    exact: bool = True,
    adapter: str = "default",
) -> Iterator[CurvePoint]:
    """The points, in the order of the thresholds; models that are alike are scored once.

    Args:
        model, task, use, adapter: as `pruned` takes them.
        score: says how good a pruned model is, for instance by a metric on rows it has not seen.
            It may tune the model first, which is a copy.
        thresholds: of each point.
        exact: see `Pruning`.

    Raises ValueError as `pruned`.
    """
    check(model, task, adapter)
    seen: dict[Any, tuple[ParameterCounts, float]] = {}
    for threshold in thresholds:
        pruning = PruningOptions(threshold=threshold, exact=exact)
        stay = select_remaining_experts(model, use, threshold, adapter)
        key = tuple(stay.values())
        if key not in seen:
            small = prune(model, task=task, use=use, pruning=pruning, adapter=adapter)
            seen[key] = (count_pruned_parameters(small), float(score(small)))
        size, value = seen[key]
        yield CurvePoint(threshold=threshold, parameters=size, remaining_experts=stay, score=value)
