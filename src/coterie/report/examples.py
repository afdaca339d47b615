"""Answers to dense tasks as pictures: input, truth and what each system predicts, task by task."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from coterie.report.answers import MOST_ANSWERS, first_with
from coterie.report.folder import Folder, Gap, read_list
from coterie.report.media import Shown, picture
from coterie.report.scores import TRAINED, tasks
from coterie.report.systems import System

FOLDER, INDEX = "pictures", "pictures.json"
MOST_PICTURES = 8
LARGEST_PX = 1024
NONE = Shown(kind="image", note="no label")
NOT_THERE = Shown(kind="image", note="not kept")


@dataclass(frozen=True, kw_only=True)
class Strip:
    """A row of pictures: the labels (no system), or what one system predicts."""

    system: System | None
    pictures: tuple[Shown, ...]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A task's pictures, a column an input."""

    task: str
    strips: tuple[Strip, ...]


@dataclass(frozen=True, kw_only=True)
class Examples:
    """All tasks on the same inputs.

    Attributes:
        sources: what the inputs are called.
        inputs: the pictures that were asked about.
        grids: one a task.
        gaps: what is missing.
    """

    sources: tuple[str, ...]
    inputs: tuple[Shown, ...]
    grids: tuple[Grid, ...]
    gaps: tuple[Gap, ...]

    def within(self, most_bytes: int) -> "Examples":
        """With as many columns as fit; those that do not are left out of all tasks alike."""
        left, columns = most_bytes, 0
        strips = [strip for grid in self.grids for strip in grid.strips]
        for column in range(len(self.sources)):
            held = [self.inputs[column], *(strip.pictures[column] for strip in strips)]
            left -= sum(len(each.uri) for each in held)
            if left < 0:
                break
            columns += 1
        return replace(
            self,
            sources=self.sources[:columns],
            inputs=self.inputs[:columns],
            grids=tuple(cut(grid, columns) for grid in self.grids) if columns else (),
        )


def cut(grid: Grid, columns: int) -> Grid:
    """The first columns of a grid."""
    strips = (replace(each, pictures=each.pictures[:columns]) for each in grid.strips)
    return replace(grid, strips=tuple(strips))


def examples(found: Sequence[System], subject: System) -> Examples:
    """The pictures that runs on dense tasks keep; nothing of runs on words."""
    dense = [each for each in found if each.on_pictures]
    others = [each for each in dense[:MOST_ANSWERS] if each != subject]
    systems = [*([subject] if subject in dense else []), *others]
    kept = {each: {run: Kept.of(run) for run in each.runs} for each in systems}
    gaps = [
        run.gap(f"No pictures of {system.name}'s answers", index_of(run), "coterie evaluate {}")
        for system, runs in kept.items()
        for run, held in runs.items()
        if not held.rows
    ]
    first = next((held for runs in kept.values() for held in runs.values() if held.rows), None)
    if first is None:
        return Examples(sources=(), inputs=(), grids=(), gaps=tuple(gaps))
    sources = tuple(first.rows)[:MOST_PICTURES]
    names = dict.fromkeys(
        task for system in systems for run in system.runs for task in tasks(run, TRAINED)
    )
    grids = (grid(task, sources, kept) for task in names)
    return Examples(
        sources=sources,
        inputs=tuple(first.shown(first.rows[source].get("image")) for source in sources),
        grids=tuple(each for each in grids if each.strips),
        gaps=tuple(gaps),
    )


def grid(task: str, sources: Sequence[str], kept: Mapping[System, Mapping[Folder, "Kept"]]) -> Grid:
    """A task's rows: the labels, and a system each that has been asked the task."""
    asked = {system: runs[first_with(system, task)] for system, runs in kept.items()}
    asked = {system: held for system, held in asked.items() if held.knows(task)}
    if not asked:
        return Grid(task=task, strips=())
    truths = [[held.of_task(source, task) for held in asked.values()] for source in sources]
    predicted = (
        Strip(system=system, pictures=tuple(
            held.shown(held.of_task(source, task).get("predicted")) for source in sources
        ))
        for system, held in asked.items()
    )  # fmt: skip
    truth = tuple(labelled(asked.values(), entries) for entries in truths)
    return Grid(task=task, strips=(Strip(system=None, pictures=truth), *predicted))


def labelled(kept: Iterable["Kept"], entries: Sequence[Mapping[str, Any]]) -> Shown:
    """The label as the first run has it that can show it."""
    found = [
        NONE if "truth" in entry and entry["truth"] is None else held.shown(entry.get("truth"))
        for held, entry in zip(kept, entries, strict=True)
    ]
    return next((each for each in found if each.uri), found[0])


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The pictures in one run's folder, as its index lists them."""

    folder: Path
    rows: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, run: Folder) -> "Kept":
        """Those of the split that was scored; none if the index is missing or damaged."""
        index = run.path / index_of(run)
        rows = (row for row in read_list(index) if isinstance(row, Mapping) and "source" in row)
        return cls(folder=index.parent, rows={str(row["source"]): row for row in rows})

    def knows(self, task: str) -> bool:
        """Whether any of the pictures was asked the task."""
        return any(self.of_task(source, task) for source in self.rows)

    def of_task(self, source: str, task: str) -> Mapping[str, Any]:
        """A picture's entry of a task; empty if there is none."""
        held = self.rows.get(source, {}).get("tasks")
        entry = held.get(task) if isinstance(held, Mapping) else None
        return entry if isinstance(entry, Mapping) else {}

    def shown(self, name: Any) -> Shown:
        """A picture for the page; what cannot be read leaves a note."""
        if not isinstance(name, str):
            return NOT_THERE
        # The name comes from a file: it must not lead out of the folder.
        at = self.folder / Path(name).name
        try:
            from PIL import Image

            with Image.open(at, formats=["PNG"]) as image:
                if max(image.size) > LARGEST_PX:
                    return replace(NOT_THERE, note=f"more than {LARGEST_PX} pixels a side")
                return picture(image)
        except FileNotFoundError:
            return NOT_THERE
        except Exception:  # a decoder meets damage with whatever it likes
            return replace(NOT_THERE, note="cannot be read")


def index_of(run: Folder) -> str:
    """Where in its folder a run lists the pictures of the split that was scored."""
    split = Path(str(run.mapping(TRAINED).get("split", "test"))).name
    return f"predictions/{split}/{FOLDER}/{INDEX}"
