"""`ImageEncoder`, the interface of encoders of pictures, as a whole or in tiles."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coterie.encoding.connector import Count, Features
from coterie.encoding.encoder import Encoder, Lengths, Rows
from coterie.models.omni.encoders.tiles import Tiles

Pixels = Float[Tensor, "rows 3 height breadth"]


@dataclass(frozen=True, kw_only=True)
class ImageEncoder(Encoder):
    """An encoder of pictures, which the processor's image processor resizes to one size.

    Attributes:
        tiles: None to encode each picture as a whole. The first image encoder of a model decides
            whether there are tiles; one without encodes the thumbnail then.
    """

    tiles: Tiles | None = None
    modality: ClassVar = "image"

    def __post_init__(self) -> None:
        connector = self.connector
        if self.tiles and self.tiles.tags and connector and connector.count_tokens(7) != 7:
            raise ValueError(
                f"encoder {self.name!r} has tags before the tokens of each tile, and "
                f"{type(connector).__name__} does not keep the tokens apart: set tags=False, or "
                "take an MLP"
            )

    @property
    @abstractmethod
    def tokens_per_image(self) -> int:
        """Number of tokens of a picture, or of a tile of it."""

    @abstractmethod
    def encode_images(self, tower: nn.Module, pixels: Pixels) -> Features:
        """Compute the tokens of pictures or tiles."""

    def count_tokens(self, length: Count) -> Count:
        return cast(Count, self.count_rows(length) * self.tokens_per_image)

    def count_rows(self, length: Count) -> Count:
        return length if self.tiles else 0 * length + 1

    def write_placeholders(self, token: str, length: int) -> str:
        if self.tiles is None:
            return super().write_placeholders(token, length)
        if self.connector is not None and not self.tiles.tags:
            return token * self.count_embeddings(length)
        own = token * self.tokens_per_image
        return "".join(tag + own for tag in self.tiles.list_tags(length))

    def prepare(
        self, items: Sequence[Any], processor: Any, options: Mapping[str, Any]
    ) -> tuple[Rows, Lengths]:
        if self.tiles is None:
            return compute_pixels(items, processor, options), torch.zeros(len(items)).long()
        side = get_side(processor)
        cut = [self.tiles.cut(item.convert("RGB"), side) for item in items]
        pixels = compute_pixels([tile for tiles in cut for tile in tiles], processor, options)
        counts = [len(tiles) for tiles in cut]
        values = nn.utils.rnn.pad_sequence(list(pixels.split(counts)), batch_first=True)
        return values, torch.tensor(counts)

    def describe_preparation(self, processor: Any) -> str:
        return describe_image_processor(processor) + repr(self.tiles)

    def encode(self, tower: nn.Module, values: Rows, lengths: Lengths) -> Features:
        has_tiles = values.ndim == 5
        if has_tiles and self.tiles:
            return encode_parts(values, lengths, lambda x: self.encode_images(tower, x)).flatten(
                1, 2
            )
        if self.tiles:
            raise ValueError(
                f"encoder {self.name!r} has tiles, and the pictures are not cut: the first image "
                "encoder decides that, give it the same `tiles`"
            )
        if has_tiles:
            rows = torch.arange(len(values), device=lengths.device)
            values = values[rows, lengths - 1]  # the thumbnail, or the only tile
        return self.encode_images(tower, values)


def encode_parts(
    values: Float[Tensor, "rows parts 3 height breadth"],
    lengths: Lengths,
    encode: Callable[[Pixels], Features],
) -> Float[Tensor, "rows parts seq width"]:
    """Encode each item's own frames or tiles, `lengths` of them; zeros beyond."""
    own = torch.arange(values.shape[1], device=values.device) < lengths[:, None]
    features = encode(values[own])
    found = features.new_zeros(*own.shape, *features.shape[1:])
    return found.masked_scatter(own[..., None, None], features)


def pool_grid(patches: Features, side: int) -> Float[Tensor, "rows tokens width"]:
    """Average a square grid of patches to side x side tokens, in row-major order."""
    rows = round(patches.shape[1] ** 0.5)
    grid = patches.transpose(1, 2).unflatten(2, (rows, rows))
    return nn.functional.adaptive_avg_pool2d(grid, side).flatten(2).transpose(1, 2)


def compute_pixels(pictures: Sequence[Any], processor: Any, options: Mapping[str, Any]) -> Pixels:
    """Compute `pixel_values` of PIL images."""
    given = {**options, "return_tensors": "pt"}
    return processor.image_processor(list(pictures), **given)["pixel_values"]


def describe_image_processor(processor: Any) -> str:
    """Describe the settings that pictures are prepared with."""
    return repr(sorted(processor.image_processor.to_dict().items(), key=str))


def get_side(processor: Any) -> int:
    """Return height and breadth of a tile. Raises ValueError if they differ, or are not set."""
    size = processor.image_processor.size
    if size.get("height") is None or size.get("height") != size.get("width"):
        raise ValueError(
            f"the image processor's size is {dict(size)}, and tiles are squares: give it the same "
            "height and width"
        )
    return size["height"]
