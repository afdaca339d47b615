"""`compose`: runs that were trained apart on one base become one model, without training."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch

from coterie.annotations import format_suggestions
from coterie.compose.checks import check_runs, check_sources
from coterie.compose.composition import CompositionPlan
from coterie.compose.merge_factors import MERGES
from coterie.compose.run_folder import describe, make_config, write_run
from coterie.compose.search import Candidate, choose_best, list_grid, measure_grid
from coterie.compose.shares import check_weights, make_even_weights
from coterie.compose.source import Source
from coterie.compose.tasks import find_rows, join_tasks
from coterie.devices import choose_device
from coterie.task_file import find_tasks
from coterie.tasks.text.task_set import TextTasks
from coterie.train.base_growth import find_moved_base
from coterie.train.resume import check_free
from coterie.train.run import Run, make_absolute_base
from coterie.train.run_directory import RunDirectory
from coterie.train.run_entries import check_entries
from coterie.train.run_lock import lock_run

MEDIA = ("own", "text")
RULES = ("even", "search")


def compose(  # noqa: PLR0913  the choices of one call, each by its name
    runs: Sequence[Run | str | Path],
    *,
    out: str | Path,
    base: str | Path | None = None,
    weights: Literal["even", "search"] | Sequence[float] = "even",
    text: Literal["sum", "mean", "ties"] = "sum",
    media: Literal["own", "text"] = "own",
    tasks: TextTasks | str | Path | None = None,
    take: Mapping[str, str | Path] | None = None,
    device: str | torch.device | None = None,
) -> Run:
    """Compose finished runs into one run, without training.

    Their experts stand side by side behind a hard gate by modality: tokens of a modality go through
    the experts of the run that was trained with it, unscaled; tokens of text through the sum of all
    runs', each with its weight. Connectors and other weights of the base model are of the run whose
    modality passes through them. The new run has the tasks of all, and needs the folders of none.

    Source: DAMC for runs of the recipe `damc`, NaiveMC with media="text" for runs of `shared_lora`
    (Chen et al. 2024, arXiv:2402.12750). The sum is exact, where the released code's merges of
    factors are not.

    Args:
        runs: two or more, of text tasks, with Lora experts and no gate or `ByModality`.
        out: the new run's folder, which must not exist or be empty.
        base: the base model of the new run, where the runs' differ: one that contains each of them
            whole, such as the same language model with the encoders of all; or where the runs' base
            model is now. None for the runs'.
        weights: of the runs, for tokens of text: "even", 1 / number each; a number for each; or
            "search", for those with the least loss on validation rows, at most four runs.
        text: "sum" of the changes, by concatenation along the rank; "mean" of the factors or
            "ties" on the factors, as controls, see `coterie.compose.merge_factors`.
        media: "text" gives the tokens of all modalities the weights of text, so that every task
            can be extracted as one plain LoRA.
        tasks: the tasks of the composed run, or their file, as for questions of several modalities
            at once; None for those of all runs. Runs whose rows were moved have theirs from it, by
            the names of their tasks.
        take: regular expression of names of the base model's weights -> the run whose values they
            have, where runs trained them differently.
        device: where weights are searched, see `coterie.devices.choose_device`.

    Raises ValueError for runs whose bases, tasks, settings or experts do not fit together, which
    it names with what to do, and for a folder that is not empty.
    """
    check_choice("text", text, MERGES)
    check_choice("media", media, MEDIA)
    if isinstance(weights, str):
        check_choice("weights", weights, RULES)
    larger = None if base is None else make_absolute_base(base)
    given = None if tasks is None else find_tasks(tasks)
    if isinstance(runs, str | Path | Run):
        runs = [runs]
    opened = [run if isinstance(run, Run) else Run.read(run) for run in runs]
    check_runs(opened)
    opened = [find_rows(find_moved_base(run, larger), given) for run in opened]
    if weights == "search":
        list_grid(len(opened))
    elif not isinstance(weights, str):
        weights = check_weights(weights, len(opened))
    joined = join_tasks(opened) if given is None else given
    directory = RunDirectory(Path(out))
    check_free(directory)
    if directory.is_started:  # what was cut off before its weights is written again
        raise ValueError(f"{directory.folder} has a run already: give a new folder")
    sources = [Source.open(run) for run in opened]
    check_sources(sources, larger)
    plan = CompositionPlan.make(
        sources, base=larger or opened[0].config.base, text=text, media=media, take=take or {}
    )
    candidates: list[Candidate] = []
    if weights == "search":
        even = plan.compose(make_even_weights(len(sources)))
        config = make_config(plan, even, joined)
        candidates = measure_grid(plan, config, choose_device(device))
    chosen = choose_weights(weights, candidates, len(sources))
    composition = plan.compose(chosen)
    config = make_config(plan, composition, joined)
    record = describe(plan, composition, chosen, candidates)
    check_entries(directory.folder)
    with lock_run(directory, "training"):
        write_run(directory, config, composition, plan, record)
    return Run(directory.folder, config)


def check_choice(name: str, value: object, allowed: Sequence[str] | Mapping[str, object]) -> None:
    """Raise ValueError unless a value is one of those allowed."""
    if value not in allowed:
        near, listed = format_suggestions(str(value), allowed), ", ".join(map(repr, allowed))
        more = ", or a number for each run" if name == "weights" else ""
        raise ValueError(f"{name}={value!r}{near}: allowed are {listed}{more}")


def choose_weights(
    weights: str | Sequence[float], candidates: Sequence[Candidate], count: int
) -> tuple[float, ...]:
    """Return the weights that were given, even ones, or the best of the candidates."""
    if candidates:
        return choose_best(candidates).weights
    return make_even_weights(count) if isinstance(weights, str) else tuple(weights)
