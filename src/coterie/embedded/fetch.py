"""`coterie fetch`: weights, the model put together from them, data, and scenes, each made once."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from coterie.embedded.dinov2 import Dinov2
from coterie.embedded.efficientnet import EfficientNetLite0
from coterie.embedded.home import home, writable_home
from coterie.embedded.smollm2 import SmolLM2
from coterie.embedded.weights import PROVENANCE, Weights, is_made_from, write_json
from coterie.embedded.whisper import Whisper
from coterie.embedded.whole import beside, commit, sha256

Say = Callable[[str], object]

CONNECTORS = Path(__file__).parents[1] / "omni" / "connectors.safetensors"
"""What `assemble` takes where it is given none: trained connectors, if coterie ships them."""

SCENES = 2000
"""Pictures that are rendered: 1600 for training, 200 each for validation and tests."""

WEIGHTS: tuple[Weights, ...] = (SmolLM2(), Dinov2(), Whisper(), EfficientNetLite0())


def fetch(only: Sequence[str] | None = None, *, say: Say = print) -> Path:
    """Makes what is missing below `home()`, which is returned; the second time needs no network.

    `only` names what is wanted, with what that needs: "weights", "omni" (the model put together
    from the weights), "pantry" (the data), "scenes" (rendered pictures); None is all but scenes,
    which take long. Licences are told as things are fetched.

    Raises ValueError if a name is unknown, the folder cannot be written, a package cannot be had,
    or what renders is not installed; what is done by then is kept, and a second call goes on from
    there.
    """
    wanted = UNASKED if only is None else tuple(only)
    unknown = sorted(set(wanted) - set(STEPS))
    if unknown:
        raise ValueError(f"nothing called {unknown} can be fetched: name any of {list(STEPS)}")
    for name, step in STEPS.items():
        if name in wanted:
            step(say)
    say(f"all there: {home()}")
    return home()


def fetch_weights(say: Say = print) -> Path:
    """`home()/weights` with a folder for each of `WEIGHTS`."""
    folder = home() / "weights"
    for weights in WEIGHTS:
        weights.build(folder / weights.folder, say=say)
    return folder


def fetch_omni(say: Say = print) -> Path:
    """`home()/omni`, one ordinary model folder, from the weights, which are fetched if need be."""
    weights, target = fetch_weights(say), home() / "omni"
    provenance = {
        "made_by": "coterie.omni.assemble",
        "weights": {each.folder: each.sha256 for each in WEIGHTS},
        # A coterie that ships other connectors makes the model anew.
        "connectors": sha256(CONNECTORS) if CONNECTORS.is_file() else None,
    }
    if is_made_from(target, provenance):
        return target
    from coterie.omni import assemble

    writable_home()
    with beside(target) as scratch:
        if is_made_from(target, provenance):
            return target
        say("putting the model together from the weights")
        made = scratch / "made"
        assemble(weights, made, None)
        write_json(made / PROVENANCE, provenance)
        shutil.rmtree(target, ignore_errors=True)
        commit(made, target)
    return target


def fetch_pantry(say: Say = print) -> Path:
    """`home()/pantry`, the data."""
    from coterie.embedded import pantry

    return pantry.build(home() / "pantry", say=say)


def fetch_scenes(say: Say = print) -> Path:
    """`home()/scenes`, rendered pictures with exact labels: see `coterie.embedded.scenes`."""
    from coterie.embedded.scenes import make_scenes

    folder = writable_home() / "scenes"
    say(f"rendering what is missing of {SCENES} scenes; nothing is fetched for them")
    return make_scenes(folder, SCENES, workers=os.cpu_count() or 1, say=say)


UNASKED = ("weights", "omni", "pantry")
"""What is fetched where nothing is named."""
STEPS: dict[str, Callable[[Say], Path]] = {
    "weights": fetch_weights,
    "omni": fetch_omni,
    "pantry": fetch_pantry,
    "scenes": fetch_scenes,
}
