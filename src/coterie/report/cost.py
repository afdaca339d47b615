"""What each system costs: parameters, arithmetic, memory, time."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from coterie.report.folder import Folder
from coterie.report.numbers import MISSING, count, duration, plain, size
from coterie.report.scores import TRAINED, mean, number
from coterie.report.systems import System


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """One column: a field of scores.json's cost, and how one seed's runs (say, a model a task)
    make one number."""

    field: str
    title: str
    together: Callable[[Sequence[float]], float]
    told: Callable[[float | None], str]


QUANTITIES = (
    Quantity(field="trainable_parameters", title="Trainable parameters", together=sum, told=count),
    Quantity(field="active_parameters", title="Active a sample", together=max, told=count),
    Quantity(field="total_parameters", title="Total parameters", together=max, told=count),
    Quantity(field="flops_per_sample", title="FLOPs a sample", together=mean, told=count),
    Quantity(field="peak_memory_bytes", title="Peak memory", together=max, told=size),
    Quantity(field="train_time_s", title="Training time", together=sum, told=duration),
    Quantity(field="samples_per_s", title="Trained samples/s", together=mean, told=plain),
    Quantity(field="generate_samples_per_s", title="Answers/s", together=mean, told=plain),
)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """A system's line: runs a seed, and the texts of QUANTITIES."""

    system: System
    runs_a_seed: int
    texts: tuple[str, ...]


def costs(found: Sequence[System]) -> tuple[Cost, ...]:
    """A line for each system of which some cost is known: the mean over seeds."""
    made = (cost(system) for system in found)
    return tuple(each for each in made if any(text != MISSING for text in each.texts))


def cost(system: System) -> Cost:
    """The system's line."""
    by_seed: dict[str, list[Folder]] = {}
    for run in system.runs:
        by_seed.setdefault(str(run.seed), []).append(run)
    return Cost(
        system=system,
        runs_a_seed=max(len(group) for group in by_seed.values()),
        texts=tuple(each.told(known(by_seed.values(), each)) for each in QUANTITIES),
    )


def known(groups: Iterable[Sequence[Folder]], quantity: Quantity) -> float:
    """The mean over seeds of what their runs come to; NaN if no run tells."""
    found = [[value(run, quantity.field) for run in group] for group in groups]
    held = [[each for each in group if math.isfinite(each)] for group in found]
    return mean([float(quantity.together(group)) for group in held if group])


def value(run: Folder, field: str) -> float:
    """A field of a run's cost; NaN if it is not told."""
    held = run.mapping(TRAINED).get("cost")
    return number(held.get(field)) if isinstance(held, dict) else math.nan
