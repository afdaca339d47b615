"""Predictions that are images: input, label and what each system predicts, task by task."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from coterie.report.embedded_media import EmbeddedMedia, encode_image
from coterie.report.run_files import RunFiles
from coterie.report.systems import ReportSystem
from coterie.report.text_examples import MAX_ANSWERS
from coterie.train.run_directory import MissingFile

MAX_IMAGES = 8
MAX_SIDE_PX = 1024
NO_EXAMPLES = EmbeddedMedia(kind="image", note="no label")
NO_IMAGE = EmbeddedMedia(kind="image", note="not kept")


@dataclass(frozen=True, kw_only=True)
class ImageRow:
    """A row of images: the labels (no system), or what one system predicts."""

    system: ReportSystem | None
    images: tuple[EmbeddedMedia, ...]


@dataclass(frozen=True, kw_only=True)
class ImageGrid:
    """A task's images, a column for each input."""

    task: str
    rows: tuple[ImageRow, ...]


@dataclass(frozen=True, kw_only=True)
class ImageExamplesSection:
    """All tasks on the same inputs.

    Attributes:
        sources: the names of the inputs.
        inputs: the images.
        grids: one for each task.
        missing: what the page cannot show.
    """

    sources: tuple[str, ...]
    inputs: tuple[EmbeddedMedia, ...]
    grids: tuple[ImageGrid, ...]
    missing: tuple[MissingFile, ...]

    def limit_to_bytes(self, most_bytes: int) -> "ImageExamplesSection":
        """Return as many columns as fit; the others are left out of all tasks alike."""
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
    """Return the first columns of a grid."""
    strips = (replace(each, images=each.images[:columns]) for each in grid.rows)
    return replace(grid, rows=tuple(strips))


def build_examples(
    systems: Sequence[ReportSystem], highlighted: ReportSystem
) -> ImageExamplesSection:
    """Build the grids of runs whose predictions hold no text; nothing of the others."""
    found = [each for each in systems if not each.has_text_predictions]
    others = [each for each in found[:MAX_ANSWERS] if each != highlighted]
    shown = [*([highlighted] if highlighted in found else []), *others]
    saved = {each: {run: SavedImages.from_run(run) for run in each.runs} for each in shown}
    missing = [
        run.explain(get_index_file(run), f"No pictures of {system.name}'s answers")
        for system, runs in saved.items()
        for run, images in runs.items()
        if not images.rows
    ]
    first = next((each for runs in saved.values() for each in runs.values() if each.rows), None)
    if first is None:
        return ImageExamplesSection(sources=(), inputs=(), grids=(), missing=tuple(missing))
    sources = tuple(first.rows)[:MAX_IMAGES]
    names = dict.fromkeys(
        task for system in shown for run in system.runs for task in run.score_entries
    )
    grids = (build_grid(task, sources, saved) for task in names)
    return ImageExamplesSection(
        sources=sources,
        inputs=tuple(first.embed(first.rows[source].get("image")) for source in sources),
        grids=tuple(each for each in grids if each.rows),
        missing=tuple(missing),
    )


def build_grid(
    task: str,
    sources: Sequence[str],
    saved: Mapping[ReportSystem, Mapping[RunFiles, "SavedImages"]],
) -> ImageGrid:
    """Build a task's rows: the labels, and each system that was scored on the task."""
    asked = {system: runs[system.find_run(task)] for system, runs in saved.items()}
    asked = {system: images for system, images in asked.items() if images.has_task(task)}
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
    """Return the label of the first run that has one."""
    found = [
        NO_EXAMPLES
        if "truth" in entry and entry["truth"] is None
        else held.embed(entry.get("truth"))
        for held, entry in zip(kept, entries, strict=True)
    ]
    return next((each for each in found if each.uri), found[0])


@dataclass(frozen=True, kw_only=True)
class SavedImages:
    """The images in one run's folder, as its index lists them."""

    folder: Path
    rows: Mapping[str, Mapping[str, Any]]

    @classmethod
    def from_run(cls, run: RunFiles) -> "SavedImages":
        """Read the index of the split that was scored; no rows if it is missing or damaged."""
        index = get_index_file(run)
        data = run.directory.try_read_json(index)
        listed = data if isinstance(data, list) else []
        rows = (row for row in listed if isinstance(row, Mapping) and "source" in row)
        return cls(folder=index.parent, rows={str(row["source"]): row for row in rows})

    def has_task(self, task: str) -> bool:
        """Whether any of the images has an entry of the task."""
        return any(self.get_entry(source, task) for source in self.rows)

    def get_entry(self, source: str, task: str) -> Mapping[str, Any]:
        """Return an image's entry of a task; empty if there is none."""
        held = self.rows.get(source, {}).get("tasks")
        entry = held.get(task) if isinstance(held, Mapping) else None
        return entry if isinstance(entry, Mapping) else {}

    def embed(self, name: Any) -> EmbeddedMedia:
        """Embed an image; what cannot be read leaves a note."""
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


def get_index_file(run: RunFiles) -> Path:
    """Return the index of the images of the split that was scored."""
    return run.directory.examples_file(run.split)
