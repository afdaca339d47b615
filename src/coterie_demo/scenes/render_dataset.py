"""All pictures of a folder, made by several processes; what is there is not made again."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from coterie.datasets.scenes_manifest import MANIFEST_FILE, SPLITS, RenderManifest
from coterie.optional_imports import import_optional
from coterie_demo.scenes.labels import Labels, render_with_labels
from coterie_demo.scenes.scene import sample_scene

PROGRESS_INTERVAL = 100
"""Pictures after which it is told how many are done."""


def make_scenes(
    folder: Path | str,
    count: int = 2000,
    seed: int = 0,
    workers: int = 2,
    log: Callable[[str], object] = print,
    size: int = 128,
) -> Path:
    """Makes what is missing of `count` pictures below `folder`, which is returned.

    Eight tenths are for training, a tenth for validation, a tenth for tests, in which objects have
    pairs of hue and texture that are in none of the others (see `is_held_out`). Each picture comes
    from its own random numbers, those of (seed, split, index): the same on each call, whatever
    `count` and `workers`. A killed making goes on from where it was.

    Args:
        workers: processes; with more than 1, a script must be guarded by __name__ == "__main__".
        size: side of the pictures in pixels.

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
        file for split in SPLITS for file in manifest.list_files(folder, split) if not file.is_file()
    ]
    if todo:
        import_optional("embreex", "scenes")  # so that it is missed here, not in another process
        import_optional("trimesh", "scenes")
        import_optional("scipy", "scenes")
        for split in SPLITS:
            (folder / split).mkdir(exist_ok=True)
        report_progress(log, render_files(manifest, todo, workers), len(todo))
    log(f"all {count} scenes are in {folder}")
    return folder


def write_manifest(folder: Path, manifest: RenderManifest) -> RenderManifest:
    """Writes the manifest, unless it is there already. Raises ValueError if it is for other scenes."""
    if (folder / MANIFEST_FILE).is_file():
        there = RenderManifest.read(folder)
        if (there.seed, there.size) != (manifest.seed, manifest.size):
            raise ValueError(
                f"{folder} has scenes of seed {there.seed} and size {there.size}, not {manifest.seed} "
                f"and {manifest.size}: give another folder, or remove it"
            )
        if there == manifest:
            return manifest
    manifest.write(folder)
    return manifest


def render_files(manifest: RenderManifest, todo: Sequence[Path], workers: int) -> Iterator[None]:
    """Makes these files, and says so after each."""
    make = partial(render_file, manifest)
    if workers == 1:
        yield from map(make, todo)
        return
    # A fork of a process that has threads, such as torch's, may hang.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(make, todo, chunksize=4)


def report_progress(log: Callable[[str], object], done: Iterator[None], count: int) -> None:
    """Says now and then how many are done."""
    start = monotonic()
    for number, _ in enumerate(done, 1):
        if number % PROGRESS_INTERVAL == 0:
            left = (monotonic() - start) / number * (count - number)
            log(f"made {number} of {count} scenes, {left / 60:.1f} minutes left")


def render_file(manifest: RenderManifest, file: Path) -> None:
    """Draws and renders the picture that belongs in `file`, which is there whole or not at all."""
    labels = render_scene(manifest.seed, file.parent.name, int(file.stem), manifest.size)
    scratch = file.with_name(f".{file.stem}.{os.getpid()}.partial")
    try:
        with scratch.open("wb") as opened:
            np.savez_compressed(opened, **dict[str, Any](labels))
        scratch.replace(file)
    finally:
        scratch.unlink(missing_ok=True)


def render_scene(seed: int, split: str, index: int, size: int) -> Labels:
    """Picture number `index` of a split, and its labels, see `picture`."""
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    while True:
        labels = render_with_labels(sample_scene(rng, held_out=split == "test"), size)
        if labels is not None:
            return labels


def compute_split_sizes(count: int) -> dict[str, int]:
    """A tenth for validation, a tenth for test, the rest for training. Raises ValueError below 10."""
    if count < 10:
        raise ValueError(f"count is {count}: render at least 10, of which 8 are for training")
    tenth = count // 10
    return {"train": count - 2 * tenth, "validation": tenth, "test": tenth}
