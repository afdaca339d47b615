"""Checks that runs can become one model: one base, one way to load it, tasks and experts."""

from collections.abc import Sequence
from itertools import combinations

from coterie.compose.experts import find_problem
from coterie.compose.source import Source
from coterie.tasks.text.task_set import TextTasks
from coterie.train import base_growth
from coterie.train.inputs import check_same_base
from coterie.train.run import Run


def check_runs(runs: Sequence[Run]) -> None:
    """Raise ValueError unless there are several different runs of text tasks, by their folders."""
    if len(runs) < 2:
        raise ValueError(f"{len(runs)} run was given: compose joins two or more")
    folders = [run.folder.resolve() for run in runs]
    for run, folder in zip(runs, folders, strict=True):
        if folders.count(folder) > 1:
            raise ValueError(f"{run.folder} is given twice: give different runs")
        if not isinstance(run.config.tasks, TextTasks):
            raise ValueError(
                f"{run.folder} was trained on {type(run.config.tasks).__name__}, and compose is "
                "for tasks that are answered in text: train others together, as one run"
            )


def check_sources(sources: Sequence[Source], base: str | None) -> None:
    """Raise ValueError, naming the runs and what differs, unless they can be composed.

    Their base models are one, or `base` contains each whole.
    """
    for one, two in combinations(sources, 2):
        check_settings(one, two)
        if base is None:
            check_bases(one, two)
    for source in sources:
        check_same_base(source.run.directory, source.run.config)
        check_mixtures(source)
    if base is not None:
        base_growth.check_contains_all(base, [source.run for source in sources])


def check_bases(one: Source, two: Source) -> None:
    """Raise ValueError if two runs were trained on different base models."""
    differing = [
        name
        for name, digest in one.base_digests.items()
        if digest != two.base_digests.get(name, digest)
    ]
    is_unknown = not (one.base_digests and two.base_digests)
    if differing or (is_unknown and one.run.config.base != two.run.config.base):
        what = f"{' and '.join(differing)} differ" if differing else "the bases differ"
        raise ValueError(
            f"{one.name} was trained on {one.run.config.base} and {two.name} on "
            f"{two.run.config.base}: {what}. Give base=, a model that contains both whole, such as "
            "one language model with the encoders of both; or train one of them on the other's"
        )


def check_settings(one: Source, two: Source) -> None:
    """Raise ValueError if two runs load their base model in different ways."""
    for name in base_growth.LOADING:
        first, second = (getattr(each.run.config, name) for each in (one, two))
        if first != second:
            raise ValueError(
                f"{one.name} has {name}={first!r} and {two.name} has {second!r}: one model is "
                "loaded in one way; train one of them again with the other's"
            )


def check_mixtures(source: Source) -> None:
    """Raise ValueError for a mixture that is not composed exactly."""
    for mixture in source.mixtures:
        if (problem := find_problem(mixture)) is not None:
            raise ValueError(
                f"{source.name} has {problem} at {mixture.at!r}: exact compositions are of Lora "
                "experts without a gate or with ByModality, as the recipes shared_lora, "
                "single_task and damc train them. Train with one of them, or extract each task of "
                "the run and serve the adapters side by side"
            )
