"""The file format of rendered scenes: class names by number, and `scenes.json`.

`make_scenes` renders such folders; other renderers can write them, too.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from coterie.io import commit, make_scratch_dir

MANIFEST_FILE = "scenes.json"
VERSION = 1
"""Incremented when the same seed renders other images; older folders are then rejected."""
SPLITS = ("train", "validation", "test")
SHAPES = (
    "box", "capsule", "cone", "cylinder", "dome", "ellipsoid", "prism", "pyramid", "sphere", "torus"
)  # fmt: skip
"""Object classes."""
SURROUNDINGS = ("sky", "floor", "ceiling", "wall")
"""Background classes; outdoor ground is "floor"."""
CLASSES = SURROUNDINGS + SHAPES
"""Classes of pixels, by number."""
SKY = CLASSES.index("sky")
ENVIRONMENTS = ("room", "hall", "corridor", "yard", "field by day", "field by dusk")
"""Scene classes."""


@dataclass(frozen=True, kw_only=True)
class RenderManifest:
    """The contents of a fully rendered folder of scenes.

    Attributes:
        version: version of the renderer.
        seed: random seed of the renderer.
        size: side of the images in pixels.
        train: number of training images.
        validation: number of validation images.
        test: number of test images.
    """

    version: int = VERSION
    seed: int
    size: int
    train: int
    validation: int
    test: int

    @classmethod
    def read(cls, folder: Path) -> "RenderManifest":
        """Read the manifest of a folder. Raises ValueError if it is missing or malformed."""
        file = folder / MANIFEST_FILE
        try:
            manifest = cls(**json.loads(file.read_text()))
            if not all(isinstance(number, int) for number in asdict(manifest).values()):
                raise TypeError("all values must be integers")
        except FileNotFoundError:
            raise ValueError(
                f"{file} does not exist: render scenes with `coterie fetch scenes`, or into any "
                f"folder with coterie_demo.scenes.make_scenes({str(folder)!r})"
            ) from None
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{file} is damaged ({error}): remove {folder} and render it again"
            ) from None
        if manifest.version != VERSION:
            raise ValueError(
                f"{file} is of version {manifest.version}, not {VERSION}: remove {folder} and "
                "render it again"
            )
        return manifest

    def write(self, folder: Path) -> None:
        """Write the manifest into a folder, which is created if needed."""
        with make_scratch_dir(folder / MANIFEST_FILE) as scratch:
            (scratch / MANIFEST_FILE).write_text(json.dumps(asdict(self), indent=1) + "\n")
            commit(scratch / MANIFEST_FILE, folder / MANIFEST_FILE)

    def list_files(self, folder: Path, split: str) -> list[Path]:
        """The paths of a split's images, rendered or not."""
        return [folder / split / f"{index:06}.npz" for index in range(asdict(self)[split])]


def is_of_other_version(folder: Path) -> bool:
    """Whether a folder has scenes that another version of the renderer made."""
    try:
        found = json.loads((folder / MANIFEST_FILE).read_text())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("version") not in (None, VERSION)
