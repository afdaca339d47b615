"""`Tiles`: the tiles that a picture is cut into, and their tags in the text."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

GLOBAL_TAG = "<tile_global_thumbnail>"
"""The tag of the whole picture, the last tile; of a picture that is one tile, too."""


@dataclass(frozen=True, kw_only=True)
class Tiles:
    """Cutting a picture into a grid of squares and, if there are several, the whole as a thumbnail.

    As NVLM does (Dai et al., 2409.11402), whose tags are one-dimensional: `<tile_1>` and so on,
    text before the placeholders of each tile, which the language model embeds as any other text.

    Attributes:
        max_tiles: the most squares of a picture, without the thumbnail.
        tags: whether each tile's placeholders follow a tag.
    """

    max_tiles: int = 6
    tags: bool = True

    def __post_init__(self) -> None:
        if self.max_tiles < 1:
            raise ValueError(f"Tiles(max_tiles={self.max_tiles}): give at least 1")

    def choose_grid(self, width: int, height: int, side: int) -> tuple[int, int]:
        """Return columns and rows: the grid whose aspect ratio is nearest to the picture's.

        Among equally near ones the larger, if the picture has more than half of its pixels, of
        `side` x `side` a tile (InternVL 1.5, 2404.16821).
        """
        best = (1, 1)
        for grid in list_grids(self.max_tiles):
            distance, nearest = (abs(width / height - c / r) for c, r in (grid, best))
            is_filled = 2 * width * height > side * side * grid[0] * grid[1]
            if distance < nearest or (distance == nearest and is_filled):
                best = grid
        return best

    def cut(self, picture: Any, side: int) -> list[Any]:
        """Return the tiles of a PIL image, row by row, `side` x `side` pixels, and a thumbnail."""
        width, height = picture.size
        columns, rows = self.choose_grid(width, height, side)
        resized = picture.resize((columns * side, rows * side))
        corners = [(c * side, r * side) for r in range(rows) for c in range(columns)]
        tiles = [resized.crop((x, y, x + side, y + side)) for x, y in corners]
        return [*tiles, picture.resize((side, side))] if len(tiles) > 1 else tiles

    def list_tags(self, count: int) -> list[str]:
        """Return the tags of a picture's `count` tiles; empty if there are to be none."""
        if not self.tags:
            return [""] * count
        return [*(f"<tile_{number}>" for number in range(1, count)), GLOBAL_TAG]


def list_grids(max_tiles: int) -> Iterator[tuple[int, int]]:
    """Yield columns and rows of all grids of at most so many tiles, the smallest first."""
    for area in range(1, max_tiles + 1):
        yield from ((c, area // c) for c in range(1, area + 1) if area % c == 0)
