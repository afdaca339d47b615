"""The interface of a modality, and the modalities that the files of this folder define."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar

import numpy as np

from coterie import modalities
from coterie.annotations import format_suggestions
from coterie.modalities.limits import read_media_limits
from coterie.serialization import find_kinds


class Modality(ABC):
    """A kind of token and input. One file a modality; they are found by walking the folder.

    Attributes:
        name: name in gates, placeholders, chat messages and columns.
        inputs: keyword arguments of a model's forward that carry it.
        towers: parts of a model whose rows are this modality, as `ModelFamily.towers` names
            them; text has none, because the language model's rows have every modality. A tower of
            two modalities belongs to the first of them, in their order.
        order: modalities are listed in this order, and after it by name.
    """

    name: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]] = ()
    towers: ClassVar[tuple[str, ...]] = ()
    order: ClassVar[int] = 100


class MediaModality(Modality):
    """A modality whose items are files that coterie decodes.

    Attributes:
        suffixes: file name extensions, in lower case, each with its dot.
        max_bytes: the largest file that is read, unless `MediaLimits` have another limit.
        aliases: other names of its parts in chat messages, such as OpenAI's "image_url".
        frames: the modality of its frames, if a list of those may be given in place of a file.
        column: the column of a row that names an item; several are in `column` + "s".
        inputs: in the omni model, the first is the values of items, the second their cached
            features, `name`_features unless given.
        lengths: the omni model's keyword of the length of each item, where items differ in it.
    """

    suffixes: ClassVar[tuple[str, ...]]
    max_bytes: ClassVar[int] = 2**28
    aliases: ClassVar[tuple[str, ...]] = ()
    frames: ClassVar[str | None] = None
    lengths: ClassVar[str | None] = None

    def get_max_bytes(self) -> int:
        """Return the size of the largest file that is read."""
        return read_media_limits().media_bytes or self.max_bytes

    @property
    def values(self) -> str:
        """The keyword of the omni model's forward that has the values of items."""
        return self.inputs[0]

    @property
    def features(self) -> str:
        """The keyword of the omni model's forward that has cached features of items instead."""
        return self.inputs[1] if len(self.inputs) > 1 else f"{self.name}_features"

    @property
    def keywords(self) -> tuple[str, ...]:
        """All keywords of the omni model's forward that carry it."""
        return (self.values, self.features, *([self.lengths] if self.lengths else []))

    @property
    def column(self) -> str:
        return self.name

    @property
    def placeholder(self) -> str:
        """The placeholder of an item in a row's text."""
        return f"<{self.name}>"

    @property
    def token_name(self) -> str:
        """The processor attribute, and chat template variable, that holds its placeholder token."""
        return f"{self.name}_token"

    @abstractmethod
    def decode(self, content: bytes) -> Any:
        """Return an item as processors take it. Raises ValueError if it cannot be decoded."""

    def join_frames(self, frames: Sequence[Any]) -> Any:
        """Return the item of decoded frames. Raises ValueError if they do not fit together."""
        raise ValueError(f"a {self.name} is no list of frames: give one file")

    def serialize(self, item: Any) -> bytes:
        """Return bytes that differ for items that differ, as a cache needs them."""
        array = np.ascontiguousarray(item)
        return f"{array.shape} {array.dtype}".encode() + array.tobytes()

    def shrink(self, item: Any, max_pixels: int) -> Any:
        """Return a decoded item with at most so many pixels, if it has pixels."""
        return item


def find_modalities() -> tuple[Modality, ...]:
    """Return all modalities in the folder, in their order."""
    return _find_modalities(tuple(modalities.__path__))


@cache
def _find_modalities(folders: tuple[str, ...]) -> tuple[Modality, ...]:
    kinds = [kind() for kind in find_kinds(modalities, Modality)]
    return tuple(sorted(kinds, key=lambda each: (each.order, each.name)))


def find_media_modalities() -> dict[str, MediaModality]:
    """Return name -> modality, of those whose items are files."""
    return dict(_find_media_modalities(tuple(modalities.__path__)))


@cache
def _find_media_modalities(folders: tuple[str, ...]) -> dict[str, MediaModality]:
    found = _find_modalities(folders)
    return {each.name: each for each in found if isinstance(each, MediaModality)}


def get_media_modality(name: str) -> MediaModality:
    """Return the media modality of a name. Raises ValueError, with near misses, if none has it."""
    found = find_media_modalities()
    if name not in found:
        raise ValueError(
            f"{name!r} is no modality of files{format_suggestions(str(name), found)}: there are "
            f"{', '.join(found)}"
        )
    return found[name]


def find_tower_modalities() -> dict[str, str]:
    """Return tower -> the name of the modality of its rows."""
    towers: dict[str, str] = {}
    for modality in find_modalities():
        for tower in modality.towers:
            towers.setdefault(tower, modality.name)
    return towers
