"""`TaskSequence`: evaluated runs that learned groups of tasks one after another."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from coterie.evaluate.systems import Runs, TaskStatistics, load_system, resolve_runs
from coterie.train.controls import UNTRAINED
from coterie.train.run import Run
from coterie.train.run_directory import RunDirectory

ADVICE = "give the runs of one sequence, or for each sequence a folder with its runs"


@dataclass(frozen=True, kw_only=True)
class TaskSequence:
    """One way to learn tasks in sequence: a run for each step and seed, with its samples' scores.

    Attributes:
        steps: the folders' names of the first seed's runs.
        trained: the tasks that each step was the first to train.
        tasks: of each step, task -> its statistics after it. Tasks that no step trains are not
            there.
        untrained: of the base model; without tasks on which it was not evaluated.
        notes: caveats about the numbers.
    """

    name: str
    seeds: tuple[int, ...]
    steps: tuple[str, ...]
    trained: tuple[tuple[str, ...], ...]
    tasks: tuple[Mapping[str, TaskStatistics], ...]
    untrained: Mapping[str, TaskStatistics] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def first_step(self) -> dict[str, int]:
        """Task -> the step, from 0, that trained it first, in this order."""
        return {name: i for i, names in enumerate(self.trained) for name in names}


def group_sequences(runs: Runs | Mapping[str, Runs]) -> dict[str, list[Run]]:
    """Return name -> runs of the sequences that were given to `coterie.measure_forgetting`.

    Raises ValueError for runs beside folders of runs, and for none.
    """
    if isinstance(runs, Mapping) and runs:
        return {name: open_steps(group) for name, group in runs.items()}
    given = [runs] if isinstance(runs, Run | str | Path) else list(runs)
    folders = [each for each in given if not _is_run(each)]
    if folders and len(folders) < len(given):
        raise ValueError(f"{folders[0]} is no run, and {len(given) - 1} others are: {ADVICE}")
    if not folders:
        found = open_steps(given)
        return {found[0].config.recipe.name: found}
    groups = {Path(str(each)).name: open_steps(str(each)) for each in folders}
    if len(groups) < len(folders):
        raise ValueError("two sequences would have one name: give a mapping from names to runs")
    return groups


def open_steps(runs: Runs) -> list[Run]:
    """Return the runs of one sequence, in order: those given, or those in the folder given.

    A folder's runs are in the natural order of their names (step-2 before step-10), and may be in
    a folder for each seed.
    """
    if isinstance(runs, str | Path) and not _is_run(runs):
        if not (folder := Path(runs).expanduser()).is_dir():
            raise ValueError(f"{folder} is neither a run nor a folder of runs: {ADVICE}")
        files = (path for pattern in ("*", "*/*") for path in folder.glob(pattern))
        runs = sorted((str(each) for each in files if _is_run(each)), key=_make_natural_key)
        if not runs:
            raise ValueError(f"{folder}: there is no run in this folder: {ADVICE}")
    found = resolve_runs(runs)
    if not found:
        raise ValueError(f"a sequence without runs: {ADVICE}")
    return found


def load_sequence(name: str, runs: Sequence[Run]) -> TaskSequence:
    """Load the scores of a sequence's runs; those of one seed are its steps, in their order.

    Raises ValueError for fewer than two steps, seeds with other steps, runs that were not evaluated
    or on other samples, and for a step that continues another and was not evaluated on its tasks.
    """
    by_seed: dict[int, list[Run]] = {}
    for run in runs:
        by_seed.setdefault(run.config.seed, []).append(run)
    first = next(iter(by_seed.values()))
    _check_steps(name, by_seed)
    trained = _list_first_trained(first)
    learned = [task for names in trained for task in names]
    tasks: list[dict[str, TaskStatistics]] = []
    notes: list[str] = []
    for number, seeds in enumerate(zip(*by_seed.values(), strict=True)):
        system = load_system(f"{name}, step {number + 1}", list(seeds))
        own = {task: system.tasks[task] for task in learned if task in system.tasks}
        if kept := [each for names in trained[:number] for each in names if each not in own]:
            if _continues(seeds[0]):
                raise ValueError(
                    f"{seeds[0].folder} continues another run and was not evaluated on "
                    f"{', '.join(kept)}: give its run all tasks, and let its stage name those that "
                    "it trains"
                )
            own |= {task: tasks[-1][task] for task in kept}
            if not notes:
                notes = [f"{name}: each task keeps its own adapter, so that none is forgotten"]
        tasks.append(own)
    return TaskSequence(
        name=name, seeds=tuple(by_seed), steps=tuple(run.folder.name for run in first),
        trained=trained, tasks=tuple(tasks), untrained=_load_untrained(name, first, learned),
        notes=tuple(notes),
    )  # fmt: skip


def list_trained_tasks(run: Run) -> tuple[str, ...]:
    """Return the tasks that a run trained: of its stages, without those of an earlier run."""
    names, stages = run.config.tasks.trained_names, run.config.recipe.stages
    return tuple(n for n in names if any(not each.tasks or n in each.tasks for each in stages))


def _check_steps(name: str, by_seed: Mapping[int, Sequence[Run]]) -> None:
    lengths = {seed: len(runs) for seed, runs in by_seed.items()}
    if min(lengths.values()) < 2 or len(set(lengths.values())) > 1:
        counts = ", ".join(f"{count} of seed {seed}" for seed, count in lengths.items())
        raise ValueError(
            f"sequence {name!r} has the runs {counts}: give each seed a run for each step, at "
            "least two, in the order of the steps"
        )
    first = next(iter(by_seed.values()))
    for runs in by_seed.values():
        _check_order(name, runs)
        for one, other in zip(first, runs, strict=True):
            if list_trained_tasks(one) != list_trained_tasks(other):
                raise ValueError(
                    f"{one.folder} and {other.folder} are the same step of sequence {name!r} and "
                    "trained other tasks: give the runs of each seed in the order of the steps"
                )


def _check_order(name: str, runs: Sequence[Run]) -> None:
    """Raise ValueError for a run that is given twice, or before the one that it continues."""
    folders = [run.folder.resolve() for run in runs]
    for number, run in enumerate(runs):
        if folders[number] in folders[:number]:
            raise ValueError(f"sequence {name!r} has {run.folder} twice: give each step once")
        if later := _list_starts(run).intersection(folders[number:]):
            raise ValueError(
                f"{run.folder} continues {later.pop()}, and is before it in sequence {name!r}: "
                "give the runs in the order of the steps"
            )


def _list_first_trained(runs: Sequence[Run]) -> tuple[tuple[str, ...], ...]:
    """Return the tasks that each run is the first to train."""
    known: set[str] = set()
    found = []
    for run in runs:
        found.append(tuple(name for name in list_trained_tasks(run) if name not in known))
        known |= set(found[-1])
    return tuple(found)


def _continues(run: Run) -> bool:
    """Return whether a run's weights start from those of an earlier run."""
    return bool(_list_starts(run))


def _list_starts(run: Run) -> set[Path]:
    """Return the folders of the runs that a run's weights start from, where they were then."""
    frozen = run.config.tasks.frozen
    given = [each.adapter_from for each in run.config.recipe.stages]
    given += [] if frozen is None else [frozen.run]
    return {Path(each).resolve() for each in given if each}


def _load_untrained(
    name: str, runs: Sequence[Run], learned: Sequence[str]
) -> dict[str, TaskStatistics]:
    """Load the base model's scores of the runs of one seed, which all start from it."""
    found: dict[str, TaskStatistics] = {}
    for run in runs:
        if run.directory.scores_file(UNTRAINED).is_file():
            system = load_system(f"{name}, {UNTRAINED}", [run], control=UNTRAINED)
            found = {task: system.tasks[task] for task in learned if task in system.tasks} | found
    return found


def _is_run(given: Run | str | Path) -> bool:
    return isinstance(given, Run) or RunDirectory(Path(given)).is_run


def _make_natural_key(path: str) -> list[tuple[int, str]]:
    """Return a sort key that has numbers by their value: step-2 is before step-10."""
    parts = re.findall(r"\d+|\D+", path)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
