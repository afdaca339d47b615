"""Predictions that are images: input, label and what each system predicts, task by task."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from coterie.report.embedded_media import EmbeddedMedia, encode_image
from coterie.report.systems import ReportSystem, RunFiles
from coterie.train.run_directory import MissingFile

MAX_ANSWERS = 4
MAX_IMAGES = 8
MAX_SIDE_PX = 1024
NO_LABEL = EmbeddedMedia(kind="image", note="no label")
NO_IMAGE = EmbeddedMedia(kind="image", note="not kept")
Images = Sequence[EmbeddedMedia]


class ImageExamples(NamedTuple):
    """All tasks on the same inputs.

    Attributes:
        sources: the names of the inputs.
        inputs: the images.
        grids: task -> its rows, an image for each input: the labels (no system), then what each
            system predicts.
        missing: what the page cannot show.
    """

    sources: Sequence[str]
    inputs: Images
    grids: Mapping[str, Sequence[tuple[ReportSystem | None, Images]]]
    missing: Sequence[MissingFile]


def build_image_examples(
    systems: Sequence[ReportSystem], highlighted: ReportSystem, most_bytes: int
) -> ImageExamples:
    """Build the grids of runs whose predictions hold no text; nothing of the others.

    There are as many inputs as fit in `most_bytes`, the same for all tasks.
    """
    found = [each for each in systems if not each.has_text_predictions]
    # The highlighted system first; the others in their order.
    shown = sorted(found, key=lambda each: each != highlighted)[:MAX_ANSWERS]
    saved = {(each, run): SavedImages.from_run(run) for each in shown for run in each.runs}
    missing = [
        run.directory.explain(images.index, f"No pictures of {system.name}'s answers")
        for (system, run), images in saved.items()
        if not images.rows
    ]
    first = next((each for each in saved.values() if each.rows), None)
    if first is None:
        return ImageExamples((), (), {}, missing)
    sources = tuple(first.rows)[:MAX_IMAGES]
    inputs = [first.embed(first.rows[source].get("image")) for source in sources]
    built = {}
    for task in dict.fromkeys(task for _, run in saved for task in run.metrics):
        asked = {each: saved[each, each.find_run(task)] for each in shown}
        built[task] = build_rows(task, sources, asked)
    grids = {task: rows for task, rows in built.items() if rows}
    strips = [images for rows in grids.values() for _, images in rows]
    sizes = [sum(len(each.uri) for each in column) for column in zip(inputs, *strips, strict=True)]
    count = sum(total <= most_bytes for total in accumulate(sizes))
    grids = {
        task: [(system, images[:count]) for system, images in rows] for task, rows in grids.items()
    }
    return ImageExamples(sources[:count], inputs[:count], grids if count else {}, missing)


def build_rows(
    task: str, sources: Sequence[str], saved: Mapping[ReportSystem, "SavedImages"]
) -> list[tuple[ReportSystem | None, Images]]:
    """Build a task's rows: the labels, and each system that was scored on the task."""
    asked = {system: images for system, images in saved.items() if images.has_task(task)}
    if not asked:
        return []
    labels = [find_label_image(asked.values(), source, task) for source in sources]
    rows: list[tuple[ReportSystem | None, Images]] = [(None, labels)]
    for system, images in asked.items():
        entries = (images.get_entry(source, task) for source in sources)
        rows.append((system, [images.embed(entry.get("predicted")) for entry in entries]))
    return rows


def find_label_image(saved: Iterable["SavedImages"], source: str, task: str) -> EmbeddedMedia:
    """Return the label of the first run that has one."""
    found = []
    for images in saved:
        entry = images.get_entry(source, task)
        has_none = "truth" in entry and entry["truth"] is None
        found.append(NO_LABEL if has_none else images.embed(entry.get("truth")))
    return next((each for each in found if each.uri), found[0])


@dataclass(frozen=True)
class SavedImages:
    """The images in one run's folder, as their index lists them."""

    index: Path
    rows: Mapping[str, Mapping[str, Any]]

    @classmethod
    def from_run(cls, run: RunFiles) -> "SavedImages":
        """Read the index of the split that was scored; no rows if it is missing or damaged."""
        index = run.directory.examples_file(run.split)
        data = run.directory.try_read_json(index)
        listed = data if isinstance(data, list) else []
        rows = (row for row in listed if isinstance(row, Mapping) and "source" in row)
        return cls(index, {str(row["source"]): row for row in rows})

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
        try:
            from PIL import Image

            # The name comes from a file: it must not lead out of the folder.
            with Image.open(self.index.parent / Path(name).name, formats=["PNG"]) as image:
                if max(image.size) > MAX_SIDE_PX:
                    return replace(NO_IMAGE, note=f"more than {MAX_SIDE_PX} pixels a side")
                return encode_image(image)
        except FileNotFoundError:
            return NO_IMAGE
        except Exception:  # a decoder meets damage with whatever it likes
            return replace(NO_IMAGE, note="cannot be read")
