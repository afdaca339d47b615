"""The initial weights of a stage: those of the stages before it, of other runs, or new ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peft import PeftModel

from coterie.stage import Stage
from coterie.stage_order import find_start, list_branches
from coterie.train import adapter_weights
from coterie.train.assembly import assemble
from coterie.train.config import RunConfig
from coterie.train.expert_sources import (
    ExpertSource,
    check_base,
    find_adapter,
    find_source,
    read_adapter,
    read_source,
)
from coterie.train.finished_stages import FinishedStage
from coterie.train.frozen_tasks import initialize_from_run
from coterie.train.run_directory import RunDirectory
from coterie.train.trainable import make_stage_mixtures
from coterie.tuner.config import CoterieConfig


def check_starts(stage: Stage, directory: RunDirectory) -> None:
    """Raise ValueError unless the runs that a stage starts from are there, as `read_source` does.

    Called for all stages before the first, which may take days.
    """
    for name, folders, find in (
        ("start_from", (stage.start_from,), find_start_adapter),
        ("adapter_from", (stage.adapter_from,), find_start_adapter),
        ("experts_from", stage.experts_from, find_source),
    ):
        for folder in filter(None, folders):
            try:
                find(Path(folder), directory)
            except ValueError as error:
                raise ValueError(f"stage {stage.name!r}, {name}: {error}") from None


def read_expert_sources(
    config: RunConfig,
    directory: RunDirectory,
    stages: Sequence[Stage],
    finished: Sequence[FinishedStage],
    base_model: Any,
) -> list[ExpertSource]:
    """Read the models that the experts of the next stage start from; none if they do not.

    The base model is grafted for the moment.
    """
    number = len(finished)
    stage = stages[number]
    if stage.init != "assemble":
        return []
    if stage.experts_from:
        given = map(Path, stage.experts_from)
        return [read_source(each, base_model, directory) for each in given]
    return [
        read_adapter(
            directory.folder / finished[each].weights_folder,
            make_stage_mixtures(config.recipe.mixtures, stages[each]),
            base_model,
            name=stages[each].name,
        )
        for each in list_branches(stages, number)
    ]


def set_initial_weights(
    model: PeftModel,
    config: RunConfig,
    directory: RunDirectory,
    stages: Sequence[Stage],
    finished: Sequence[FinishedStage],
    sources: Sequence[ExpertSource],
) -> tuple[str, ...]:
    """Set the weights that the model of the next stage starts from.

    Returns the names of base parameters that differ from the base model's then.
    """
    number = len(finished)
    stage = stages[number]
    if stage.init == "copy":
        adapter_weights.load_copies(model, directory.folder / finished[-1].weights_folder)
        return finished[-1].base_parameters
    if number == 0 and (frozen := config.tasks.frozen):
        return initialize_from_run(model, frozen)
    names: list[str] = []
    if (before := find_start(stages, number)) is not None:
        folder = directory.folder / finished[before].weights_folder
        recipe = config.recipe.mixtures
        both = (make_stage_mixtures(recipe, stages[each]) for each in (before, number))
        if len(set(both)) == 1:
            adapter_weights.load(model, folder)
            names += finished[before].base_parameters
        else:
            names += adapter_weights.load_base(model, folder)
    elif stage.start_from:
        names += load_start(model, Path(stage.start_from), directory)
    elif stage.adapter_from:
        names += load_whole(model, Path(stage.adapter_from), directory)
    if sources:
        names += assemble(model, sources)
    return tuple(dict.fromkeys(names))


def load_start(model: PeftModel, folder: Path, directory: RunDirectory) -> list[str]:
    """Load the trained weights of the base model, such as connectors, of another run or stage."""
    names = adapter_weights.load_base(model, find_start_adapter(folder, directory))
    if not names:
        raise ValueError(
            f"{folder} has no trained weights of the base model, such as connectors, to start from"
        )
    return names


def load_whole(model: PeftModel, folder: Path, directory: RunDirectory) -> list[str]:
    """Load experts, gates and trained weights of the base model of another run or stage.

    Raises ValueError for one with other mixtures, or of other tasks.
    """
    found = find_start_adapter(folder, directory)
    theirs, (own,) = CoterieConfig.from_pretrained(found), model.peft_config.values()
    assert isinstance(theirs, CoterieConfig) and isinstance(own, CoterieConfig)
    for what, one, other in (
        ("mixtures", theirs.parse_mixtures(), own.parse_mixtures()),
        ("tasks", tuple(theirs.tasks), tuple(own.tasks)),
    ):
        if one != other:
            raise ValueError(
                f"adapter_from={str(folder)!r} has other {what} than this run, {one} and {other}: "
                "give a run of the same recipe and tasks; the stage's `tasks` say which of them it "
                "trains"
            )
    names = adapter_weights.load_base(model, found)
    with adapter_weights.explain_misfit(found):
        adapter_weights.load(model, found)
    return names


def find_start_adapter(folder: Path, directory: RunDirectory) -> Path:
    """Return the adapter's folder of another run, or of a stage, on the run's base model."""
    found = find_adapter(folder)
    if found is None:
        raise ValueError(f"{folder} has no adapter: give a run, or a stage's folder in one")
    check_base(folder, directory)
    return found
