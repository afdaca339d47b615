"""`FinishedStage`, and the file of a run that lists its finished stages."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath

from coterie.distributed import print_message
from coterie.io import write
from coterie.train.checksums import seal, unseal
from coterie.train.run_directory import RunDirectory


@dataclass(frozen=True, kw_only=True)
class FinishedStage:
    """A finished stage, by its name.

    Attributes:
        steps: optimizer steps; fewer than configured where it stopped early.
        weights_folder: the folder of its weights, relative to the run's folder.
        base_parameters: names of the base model's parameters that it or an earlier stage trained.
    """

    stage: str
    steps: int
    weights_folder: str
    base_parameters: tuple[str, ...] = ()


def read_finished_stages(run: RunDirectory) -> list[FinishedStage]:
    """Read a run's finished stages, in order; none without a file, or if it is damaged.

    The checkpoints say it too: a stage whose last checkpoint is there is not trained again.
    """
    file = run.progress_file
    if not file.is_file():
        return []
    try:
        stages = unseal(file.read_bytes())["stages"]
        rows = [each | {"base_parameters": tuple(each["base_parameters"])} for each in stages]
        for place in (PurePath(row["weights_folder"]) for row in rows):
            if place.is_absolute() or ".." in place.parts:
                raise ValueError(f"weights_folder {place} leads out of the run's folder")
        return [FinishedStage(**row) for row in rows]
    except (ValueError, KeyError, TypeError):
        print_message(f"{file} is damaged: the checkpoints say which stages are finished")
        return []


def write_finished_stages(run: RunDirectory, stages: Iterable[FinishedStage]) -> None:
    """Write the finished stages, with a checksum."""
    rows = [vars(each) | {"base_parameters": list(each.base_parameters)} for each in stages]
    write(run.progress_file, seal({"stages": rows}))


def add_finished_stage(run: RunDirectory, done: FinishedStage) -> None:
    """Add a stage to those of the file."""
    write_finished_stages(run, [*read_finished_stages(run), done])
