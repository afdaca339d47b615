"""Answers to dense tasks as pictures: input, truth and what each system predicts, task by task."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from coterie.report.embedded_media import EmbeddedMedia, encode_image
from coterie.report.run_files import MissingData, RunFiles, read_list
from coterie.report.scores import TRAINED, get_task_entries
from coterie.report.systems import ReportSystem
from coterie.report.text_examples import MAX_ANSWERS, find_first_run

FOLDER, INDEX = "pictures", "pictures.json"
MAX_IMAGES = 8
MAX_SIDE_PX = 1024
NO_EXAMPLES = EmbeddedMedia(kind="image", note="no label")
NO_IMAGE = EmbeddedMedia(kind="image", note="not kept")


@dataclass(frozen=True, kw_only=True)
class ImageRow:
    """A row of pictures: the labels (no system), or what one system predicts."""

    system: ReportSystem | None
    images: tuple[EmbeddedMedia, ...]


@dataclass(frozen=True, kw_only=True)
class ImageGrid:
    """A task's pictures, a column an input."""

    task: str
    rows: tuple[ImageRow, ...]


@dataclass(frozen=True, kw_only=True)
class ImageExamplesSection:
    """All tasks on the same inputs.

    Attributes:
        sources: what the inputs are called.
        inputs: the pictures that were asked about.
        grids: one a task.
        gaps: what is missing.
    """

    sources: tuple[str, ...]
    inputs: tuple[EmbeddedMedia, ...]
    grids: tuple[ImageGrid, ...]
    missing: tuple[MissingData, ...]

    def limit_to_bytes(self, most_bytes: int) -> "ImageExamplesSection":
        """With as many columns as fit; those that do not are left out of all tasks alike."""
        left, columns = most_bytes, 0
        strips = [strip for grid in self.grids for strip in grid.rows]
        for column in range(len(self.sources)):
            held = [self.inputs[column], *(strip.images[column] for strip in strips)]
            left -= sum(len(each.uri) for each in held)
            if left < 0:
                break
            columns += 1
        return replace(
            self,
            sources=self.sources[:columns],
            inputs=self.inputs[:columns],
            grids=tuple(take_columns(grid, columns) for grid in self.grids) if columns else (),
        )


def take_columns(grid: ImageGrid, columns: int) -> ImageGrid:
    """The first columns of a grid."""
    strips = (replace(each, images=each.images[:columns]) for each in grid.rows)
    return replace(grid, rows=tuple(strips))


def build_examples(
    found: Sequence[ReportSystem], highlighted: ReportSystem
) -> ImageExamplesSection:
    """The pictures that runs on dense tasks keep; nothing of runs on words."""
    dense = [each for each in found if each.is_dense]
    others = [each for each in dense[:MAX_ANSWERS] if each != highlighted]
    systems = [*([highlighted] if highlighted in dense else []), *others]
    kept = {each: {run: SavedImages.from_run(run) for run in each.runs} for each in systems}
    gaps = [
        run.make_missing(
            f"No pictures of {system.name}'s answers", get_index_file(run), "coterie evaluate {}"
        )
        for system, runs in kept.items()
        for run, held in runs.items()
        if not held.rows
    ]
    first = next((held for runs in kept.values() for held in runs.values() if held.rows), None)
    if first is None:
        return ImageExamplesSection(sources=(), inputs=(), grids=(), missing=tuple(gaps))
    sources = tuple(first.rows)[:MAX_IMAGES]
    names = dict.fromkeys(
        task for system in systems for run in system.runs for task in get_task_entries(run, TRAINED)
    )
    grids = (build_grid(task, sources, kept) for task in names)
    return ImageExamplesSection(
        sources=sources,
        inputs=tuple(first.embed(first.rows[source].get("image")) for source in sources),
        grids=tuple(each for each in grids if each.rows),
        missing=tuple(gaps),
    )


def build_grid(
    task: str, sources: Sequence[str], kept: Mapping[ReportSystem, Mapping[RunFiles, "SavedImages"]]
) -> ImageGrid:
    """A task's rows: the labels, and a system each that has been asked the task."""
    asked = {system: runs[find_first_run(system, task)] for system, runs in kept.items()}
    asked = {system: held for system, held in asked.items() if held.has_task(task)}
    if not asked:
        return ImageGrid(task=task, rows=())
    truths = [[held.get_entry(source, task) for held in asked.values()] for source in sources]
    predicted = (
        ImageRow(system=system, images=tuple(
            held.embed(held.get_entry(source, task).get("predicted")) for source in sources
        ))
        for system, held in asked.items()
    )  # fmt: skip
    truth = tuple(find_label_image(asked.values(), entries) for entries in truths)
    return ImageGrid(task=task, rows=(ImageRow(system=None, images=truth), *predicted))


def find_label_image(
    kept: Iterable["SavedImages"], entries: Sequence[Mapping[str, Any]]
) -> EmbeddedMedia:
    """The label as the first run has it that can show it."""
    found = [
        NO_EXAMPLES
        if "truth" in entry and entry["truth"] is None
        else held.embed(entry.get("truth"))
        for held, entry in zip(kept, entries, strict=True)
    ]
    return next((each for each in found if each.uri), found[0])


@dataclass(frozen=True, kw_only=True)
class SavedImages:
    """The pictures in one run's folder, as its index lists them."""

    folder: Path
    rows: Mapping[str, Mapping[str, Any]]

    @classmethod
    def from_run(cls, run: RunFiles) -> "SavedImages":
        """Those of the split that was scored; none if the index is missing or damaged."""
        index = run.path / get_index_file(run)
        rows = (row for row in read_list(index) if isinstance(row, Mapping) and "source" in row)
        return cls(folder=index.parent, rows={str(row["source"]): row for row in rows})

    def has_task(self, task: str) -> bool:
        """Whether any of the pictures was asked the task."""
        return any(self.get_entry(source, task) for source in self.rows)

    def get_entry(self, source: str, task: str) -> Mapping[str, Any]:
        """A picture's entry of a task; empty if there is none."""
        held = self.rows.get(source, {}).get("tasks")
        entry = held.get(task) if isinstance(held, Mapping) else None
        return entry if isinstance(entry, Mapping) else {}

    def embed(self, name: Any) -> EmbeddedMedia:
        """A picture for the page; what cannot be read leaves a note."""
        if not isinstance(name, str):
            return NO_IMAGE
        # The name comes from a file: it must not lead out of the folder.
        at = self.folder / Path(name).name
        try:
            from PIL import Image

            with Image.open(at, formats=["PNG"]) as image:
                if max(image.size) > MAX_SIDE_PX:
                    return replace(NO_IMAGE, note=f"more than {MAX_SIDE_PX} pixels a side")
                return encode_image(image)
        except FileNotFoundError:
            return NO_IMAGE
        except Exception:  # a decoder meets damage with whatever it likes
            return replace(NO_IMAGE, note="cannot be read")


def get_index_file(run: RunFiles) -> str:
    """Where in its folder a run lists the pictures of the split that was scored."""
    split = Path(str(run.read_mapping(TRAINED).get("split", "test"))).name
    return f"predictions/{split}/{FOLDER}/{INDEX}"
