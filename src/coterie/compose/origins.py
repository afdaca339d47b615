"""`TensorOrigin`: where each tensor of a composed run is from, and the file that says so."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from coterie.compose.composition import Composition, CompositionPlan


class TensorOrigin(NamedTuple):
    """Where the experts at a module, or a weight of the base model, are from.

    Attributes:
        how: "joined" (several runs' experts side by side), "merged" (the experts of text became
            one), "from" (of one run alone), "equal in" (runs have the same values) or "dropped"
            (experts that have weight 0 for every modality).
        runs: their positions.
        dropped: positions of runs whose experts were left out beside others.
    """

    how: str
    runs: tuple[int, ...]
    dropped: tuple[int, ...] = ()


def list_origins(plan: CompositionPlan, composition: Composition) -> dict[str, TensorOrigin]:
    """Return the origin of every module's experts and of every trained weight of the base model."""
    found: dict[str, TensorOrigin] = {}
    for site in plan.sites:
        given = tuple(n for n, places in enumerate(plan.positions) if site in places)
        composed = composition.experts.get(site)
        if composed is None:
            found[site] = TensorOrigin("dropped", given)
            continue
        if None in composed.owners:
            found[site] = TensorOrigin("merged", given)
            continue
        used = tuple(n for n in given if n in composed.owners)
        rest = tuple(n for n in given if n not in used)
        found[site] = TensorOrigin("joined" if len(used) > 1 else "from", used, rest)
    for name, chosen in composition.base_weights.items():
        found[name] = TensorOrigin("equal in" if len(chosen.runs) > 1 else "from", chosen.runs)
    return found


def dump_origins(origins: Mapping[str, TensorOrigin], names: Sequence[str]) -> dict[str, Any]:
    """Return the origins as JSON, with the runs' names."""
    return {
        tensor: {
            "how": origin.how,
            "runs": [names[place] for place in origin.runs],
            "dropped": [names[place] for place in origin.dropped],
        }
        for tensor, origin in origins.items()
    }


def summarize_tensors(tensors: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a line for each kind of origin, of what `dump_origins` returned, with its count."""
    counts = Counter(
        f"{each['how']} {' and '.join(map(str, each['runs']))}" for each in tensors.values()
    )
    dropped = Counter(str(run) for each in tensors.values() for run in each["dropped"])
    return [
        *(f"{origin}: {count:,}" for origin, count in counts.items()),
        *(f"dropped beside others {run}: {count:,}" for run, count in dropped.items()),
    ]
