"""Grids of tiles, and their tags, by hand."""

import numpy as np
import pytest
from PIL import Image

from coterie.models.omni.encoders.tiles import GLOBAL_TAG, Tiles, list_grids


def test_there_are_14_grids_of_at_most_six_tiles() -> None:
    # 1 of one tile, 2 of two, 2 of three, 3 of four, 2 of five, 4 of six.
    assert len(list(list_grids(6))) == 14


@pytest.mark.parametrize(
    ("size", "grid"),
    [
        ((40, 40), (1, 1)),  # square and small: 1600 pixels are less than half of four tiles'
        ((448, 448), (1, 1)),  # 200704 pixels; half of 2 x 2 tiles' are 401408
        ((640, 640), (2, 2)),  # 409600 are more
        ((900, 300), (3, 1)),  # 3
        ((300, 1000), (1, 3)),  # .3 is nearer to 1/3 than to 1/4
        ((800, 400), (2, 1)),  # of 2: 320000 pixels are more than half of two tiles'
        ((500, 400), (1, 1)),  # 1.25 is nearer to 1 than to 1.5, by less than nothing: equal
    ],
)
def test_the_grid_is_the_nearest_in_aspect_ratio(size: tuple[int, int], grid: tuple) -> None:
    assert Tiles(max_tiles=6).choose_grid(*size, 448) == grid


def test_tiles_are_cut_row_by_row() -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4, 4:] = 100  # above, to the right
    pixels[4:, :4] = 200
    picture = Image.fromarray(pixels)
    tiles = Tiles(max_tiles=4).cut(picture, 4)
    assert [np.asarray(tile)[0, 0, 0] for tile in tiles[:4]] == [0, 100, 200, 0]
    assert len(tiles) == 5 and all(tile.size == (4, 4) for tile in tiles)
    assert len(Tiles(max_tiles=1).cut(picture, 4)) == 1


def test_tags() -> None:
    assert Tiles().list_tags(3) == ["<tile_1>", "<tile_2>", GLOBAL_TAG]
    assert Tiles().list_tags(1) == [GLOBAL_TAG]
    assert Tiles(tags=False).list_tags(2) == ["", ""]
    with pytest.raises(ValueError, match="give at least 1"):
        Tiles(max_tiles=0)
