"""Maps as files hold them, their tints, and their images."""

import base64
import io
import math

import pytest
import torch
from PIL import Image

from coterie.report.heatmap import (
    BLOCK_PX,
    COOL,
    WARM,
    compute_largest,
    compute_strength,
    parse_matrix,
    render_png_uri,
)


@pytest.mark.parametrize("data", [None, 7, [[1.0]], [[1.0], [2.0]], [[1.0, 2.0], "ab"]])
def test_other_shapes_are_none(data: object) -> None:
    assert parse_matrix(data, 2, 2) is None


def test_what_is_no_number_is_nan() -> None:
    found = parse_matrix([[1, None], ["x", -2.5]], 2, 2)
    assert found is not None and found.isnan().tolist() == [[False, True], [True, False]]
    assert compute_largest(found) == 2.5
    assert compute_largest(torch.zeros(1, 1, dtype=torch.float64)) == 1


def test_strength_is_a_share_of_the_largest() -> None:
    assert [compute_strength(each, 2.0) for each in (-1.0, 5.0, math.nan)] == [0.5, 1, 0]


def test_a_cell_is_a_block_of_pixels() -> None:
    uri = render_png_uri(torch.tensor([[1.0, -0.5]], dtype=torch.float64), 1.0)
    image = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    assert image.size == (2 * BLOCK_PX, BLOCK_PX)
    # Half of 255 is 127.5, which rounds to the even 128.
    assert image.getpixel((0, 0)) == (*COOL, 255)
    assert image.getpixel((BLOCK_PX, 0)) == (*WARM, 128)
