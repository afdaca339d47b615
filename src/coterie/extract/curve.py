"""What a task's score becomes as experts are cut away: a point for each threshold."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from peft import PeftModel

from coterie.dense.pruned import PrunedVision
from coterie.extract.keeping import Pruning
from coterie.extract.pruned import LayerUse, check, pruned, staying

THRESHOLDS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)


@dataclass(frozen=True, kw_only=True)
class Point:
    """One pruned model.

    Attributes:
        threshold: see `Pruning`.
        parameters: numbers in its weights, all of them.
        experts: how many experts stay, all layers together.
        score: what `score` said of it.
    """

    threshold: float
    parameters: int
    experts: int
    score: float


def curve(
    model: PeftModel,
    *,
    task: str,
    use: Mapping[str, LayerUse],
    score: Callable[[PrunedVision], float],
    thresholds: Sequence[float] = THRESHOLDS,
    exact: bool = True,
    adapter: str = "default",
) -> Iterator[Point]:
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
    seen: dict[Any, tuple[int, float]] = {}
    for threshold in thresholds:
        pruning = Pruning(threshold=threshold, exact=exact)
        stay = staying(model, use, threshold, adapter)
        key = tuple(stay.values())
        if key not in seen:
            small = pruned(model, task=task, use=use, pruning=pruning, adapter=adapter)
            count = sum(weight.numel() for weight in small.parameters())
            seen[key] = (count, float(score(small)))
        parameters, value = seen[key]
        experts = sum(map(len, stay.values()))
        yield Point(threshold=threshold, parameters=parameters, experts=experts, score=value)
