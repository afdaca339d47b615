"""Weights of the base model that runs trained, such as connectors: whose the composed model has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from coterie.compose.shares import TEXT, find_tower_users
from coterie.compose.source import Source
from coterie.models.host import Host
from coterie.name_patterns import match_names


@dataclass(frozen=True, kw_only=True)
class ChosenWeight:
    """A weight of the composed model: its values, and the positions of the runs that have them."""

    values: Tensor
    runs: tuple[int, ...]


def choose_base_weights(
    sources: Sequence[Source], host: Host, take: Mapping[str, str | Path]
) -> dict[str, ChosenWeight]:
    """Return the trained weights of the base model, by their names there.

    A weight that one modality passes through is of the run that was trained with that modality.

    Args:
        take: regular expression of names -> the run whose values they have, where runs disagree.

    Raises ValueError, naming weight and runs, where runs that pass through a weight have different
    values, one of them perhaps the base model's own; or for `take` of an unknown run or weight.
    """
    names = list(dict.fromkeys(name for source in sources for name in source.base_weights))
    taken = resolve_take(take, names, sources)
    return {name: choose(name, sources, host, taken.get(name)) for name in names}


def choose(name: str, sources: Sequence[Source], host: Host, taken: int | None) -> ChosenWeight:
    """Return the values of one weight."""
    trained = [place for place, each in enumerate(sources) if name in each.base_weights]
    if taken is not None:
        if taken not in trained:
            raise ValueError(
                f"take: {sources[taken].name} did not train {name}; "
                f"{' and '.join(sources[place].name for place in trained)} did"
            )
        return ChosenWeight(values=sources[taken].base_weights[name], runs=(taken,))
    tower = host.get_tower(name.rpartition(".")[0])
    passing = find_tower_users([each.modalities for each in sources], tower)
    # A stage that trains all connectors leaves those of other modalities as they were.
    used = [place for place in trained if passing[place]] or trained
    others = [place for place, passes in enumerate(passing) if passes and place not in trained]
    first, *rest = (sources[place].base_weights[name] for place in used)
    if others or any(not torch.equal(first, each) for each in rest):
        raise ValueError(describe_conflict(name, tower, sources, used, others))
    return ChosenWeight(values=first, runs=tuple(used))


def describe_conflict(
    name: str, tower: str, sources: Sequence[Source], trained: Sequence[int], others: Sequence[int]
) -> str:
    """Say which runs want which values of a weight, and how to choose."""
    by_training = " and ".join(sources[place].name for place in trained)
    has_own = f", and {sources[others[0]].name} has the base model's" if others else " differently"
    who = "the tokens of all runs pass" if tower == TEXT else f"several runs' {tower} rows pass"
    return (
        f"{name}, which {who} through, was trained by {by_training}{has_own}: one model has one "
        f"value. Choose it with take={{{name!r}: {sources[trained[0]].name!r}}} (--take "
        f"{name}={sources[trained[0]].name}), which changes what the others compute, or train "
        "without it"
    )


def resolve_take(
    take: Mapping[str, str | Path], names: Sequence[str], sources: Sequence[Source]
) -> dict[str, int]:
    """Return weight -> position of the run to take it from."""
    if not isinstance(take, Mapping):
        raise ValueError(f"take={take!r}: give a mapping from names of weights to runs")
    folders = [source.run.folder.resolve() for source in sources]
    found: dict[str, int] = {}
    for pattern, run in take.items():
        folder = Path(run).expanduser().resolve()
        if folder not in folders:
            raise ValueError(
                f"take={{{pattern!r}: {str(run)!r}}}: the runs are "
                f"{', '.join(source.name for source in sources)}"
            )
        matched, place = match_names(pattern, names, "take"), folders.index(folder)
        if not matched:
            raise ValueError(
                f"take={{{pattern!r}: ...}} matches no weight of the base model that was trained; "
                f"these are {', '.join(names) or 'none'}"
            )
        if twice := [name for name in matched if found.get(name, place) != place]:
            raise ValueError(
                f"take={{{pattern!r}: {str(run)!r}}} and {sources[found[twice[0]]].name} both have "
                f"{twice[0]}: one model has one value; give expressions that have no name in common"
            )
        found |= dict.fromkeys(matched, place)
    return found
