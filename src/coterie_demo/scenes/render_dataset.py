"""Renders a data set of scenes into a folder, in parallel and resumable."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from coterie.io import explain_write_errors
from coterie.optional_imports import import_optional
from coterie_demo.scenes.labels import Labels, render_with_labels
from coterie_demo.scenes.manifest import MANIFEST_FILE, SPLITS, RenderManifest
from coterie_demo.scenes.scene import sample_scene

PROGRESS_INTERVAL = 100
"""Images between two lines of progress."""


def make_scenes(
    folder: Path | str,
    count: int = 2000,
    seed: int = 0,
    workers: int = 2,
    log: Callable[[str], object] = print,
    size: int = 128,
) -> Path:
    """Render the missing ones of `count` images below `folder`, and return the folder.

    Eight tenths are for training, a tenth for validation and a tenth for test, whose objects have
    pairs of hue and texture that no other split has (see `is_held_out`). Each image has its own
    random numbers, seeded by (seed, split, index): it does not depend on `count` or `workers`. An
    interrupted call is resumed by the next.

    Args:
        folder: where images and their manifest are written.
        count: images over all splits, at least 10.
        seed: of the random numbers, at least 0.
        workers: processes; with more than 1, a script must be guarded by __name__ == "__main__".
        log: receives lines of progress.
        size: side of the images in pixels, at least 8.

    Raises ValueError if a number is too small, the folder has other scenes, or Embree is missing.
    """
    folder = Path(folder)
    if size < 8 or workers < 1 or seed < 0:
        raise ValueError(
            f"size, workers and seed are {size}, {workers}, {seed}: give at least 8, 1 and 0"
        )
    manifest = write_manifest(
        folder, RenderManifest(seed=seed, size=size, **compute_split_sizes(count))
    )
    todo = [
        file
        for split in SPLITS
        for file in manifest.list_files(folder, split)
        if not file.is_file()
    ]
    if todo:
        import_optional("embreex", "scenes")  # so that this process raises, not a worker
        import_optional("trimesh", "scenes")
        import_optional("scipy", "scenes")
        for split in SPLITS:
            (folder / split).mkdir(exist_ok=True)
        report_progress(log, render_files(manifest, todo, workers), len(todo))
    log(f"all {count} scenes are in {folder}")
    return folder


def write_manifest(folder: Path, manifest: RenderManifest) -> RenderManifest:
    """Write the manifest unless it exists. Raises ValueError if it is of other scenes."""
    if (folder / MANIFEST_FILE).is_file():
        there = RenderManifest.read(folder)
        if (there.seed, there.size) != (manifest.seed, manifest.size):
            raise ValueError(
                f"{folder} has scenes of seed {there.seed} and size {there.size}, not "
                f"{manifest.seed} and {manifest.size}: give another folder, or remove it"
            )
        if there == manifest:
            return manifest
    manifest.write(folder)
    return manifest


def render_files(manifest: RenderManifest, todo: Sequence[Path], workers: int) -> Iterator[None]:
    """Render these files; yields after each."""
    make = partial(render_file, manifest)
    if workers == 1:
        yield from map(make, todo)
        return
    # A fork of a process that has threads, such as torch's, may hang.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(make, todo, chunksize=4)


def report_progress(log: Callable[[str], object], done: Iterator[None], count: int) -> None:
    """Log every `PROGRESS_INTERVAL` images how many are done and how long the rest takes."""
    start = monotonic()
    for number, _ in enumerate(done, 1):
        if number % PROGRESS_INTERVAL == 0:
            left = (monotonic() - start) / number * (count - number)
            log(f"rendered {number} of {count} scenes, {left / 60:.1f} minutes left")


def render_file(manifest: RenderManifest, file: Path) -> None:
    """Render the image of `file` and write it atomically."""
    labels = render_scene(manifest.seed, file.parent.name, int(file.stem), manifest.size)
    scratch = file.with_name(f".{file.stem}.{os.getpid()}.partial")
    with explain_write_errors(file):
        try:
            with scratch.open("wb") as opened:
                np.savez_compressed(opened, **dict[str, Any](labels))
            scratch.replace(file)
        finally:
            scratch.unlink(missing_ok=True)


def render_scene(seed: int, split: str, index: int, size: int) -> Labels:
    """Render image number `index` of a split, with its labels (see `render_with_labels`)."""
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    while True:
        labels = render_with_labels(sample_scene(rng, held_out=split == "test"), size)
        if labels is not None:
            return labels


def compute_split_sizes(count: int) -> dict[str, int]:
    """A tenth each for validation and test, the rest for training; at least 10 in all."""
    if count < 10:
        raise ValueError(f"count is {count}: render at least 10, of which 8 are for training")
    tenth = count // 10
    return {"train": count - 2 * tenth, "validation": tenth, "test": tenth}
