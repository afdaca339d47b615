"""What a folder of scenes says of itself, in `scenes.json`."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from coterie.io import commit, make_scratch_dir

NAME = "scenes.json"
VERSION = 1
"""Counted up when the same seed gives other pictures: old folders are then refused, not mixed."""
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class RenderManifest:
    """What was to be made.

    Attributes:
        version: of the way of making.
        seed: what random numbers begin with.
        size: side of the pictures in pixels.
        train: pictures of this split, and so on.
    """

    version: int = VERSION
    seed: int
    size: int
    train: int
    validation: int
    test: int

    @classmethod
    def read(cls, folder: Path) -> "RenderManifest":
        """That of a folder. Raises ValueError if there is none, or it makes no sense."""
        file = folder / NAME
        try:
            card = cls(**json.loads(file.read_text()))
            if not all(isinstance(number, int) for number in asdict(card).values()):
                raise TypeError("all of it must be whole numbers")
        except FileNotFoundError:
            raise ValueError(
                f"{file} is not there: make the scenes by make_scenes({str(folder)!r}), or those "
                "of coterie's home by `coterie fetch scenes`"
            ) from None
        except (TypeError, ValueError) as error:
            raise ValueError(f"{file} is damaged ({error}): remove {folder}, and remake") from None
        if card.version != VERSION:
            raise ValueError(
                f"{file} is of version {card.version}, not {VERSION}: remove {folder}, and remake"
            )
        return card

    def write(self, folder: Path) -> None:
        """Into a folder that may not be there yet."""
        with make_scratch_dir(folder / NAME) as scratch:
            (scratch / NAME).write_text(json.dumps(asdict(self), indent=1) + "\n")
            commit(scratch / NAME, folder / NAME)

    def list_files(self, folder: Path, split: str) -> list[Path]:
        """Where the pictures of a split are to be."""
        return [folder / split / f"{index:06}.npz" for index in range(asdict(self)[split])]


def compute_split_sizes(count: int) -> dict[str, int]:
    """A tenth for validation, a tenth for tests. Raises ValueError below ten."""
    if count < 10:
        raise ValueError(f"count is {count}: make at least 10 scenes, of which 8 are for training")
    tenth = count // 10
    return {"train": count - 2 * tenth, "validation": tenth, "test": tenth}
