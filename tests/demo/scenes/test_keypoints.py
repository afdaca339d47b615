import numpy as np
import pytest

from coterie_demo.scenes.keypoints import detect_corners

pytest.importorskip("scipy")


def test_a_corner_answers_and_an_edge_does_not() -> None:
    picture = np.zeros((1, 64, 64))
    picture[0, 32:, 32:] = 1
    response = detect_corners(picture, 1e-3)
    # The corner is between pixels 31 and 32; (55, 31) is on a straight edge, (10, 10) on neither.
    assert np.unravel_index(response.argmax(), response.shape) in {
        (row, column) for row in (31, 32) for column in (31, 32)
    }
    assert response.max() > 0.5 > 1e-6 > response[55, 31]
    assert response[10, 10] == pytest.approx(0, abs=1e-9)
    assert ((response >= 0) & (response < 1)).all()
