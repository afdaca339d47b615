"""Surface normals."""

import math

import pytest
import torch

from coterie.tasks.dense.kinds.normals import Normals

NAN = math.nan


def pixels(*vectors: tuple[float, float, float]) -> torch.Tensor:
    """A picture of one row, [3, 1, pixels]."""
    return torch.tensor(vectors, dtype=torch.float32).T.reshape(3, 1, -1)


def test_l1_by_hand() -> None:
    # (3, 0, 4) / 5 = (.6, 0, .8); against (0, 0, 1): (.6 + 0 + .2) / 3. The second is right: 0.
    prediction, label = (
        pixels((3, 0, 4), (0, 2, 0), (1, 1, 1)),
        pixels((0, 0, 1), (0, 1, 0), (NAN,) * 3),
    )
    loss = Normals(name="normals").compute_loss(prediction[None], label[None])
    assert loss.tolist() == pytest.approx([0.8 / 6])


def test_cosine_by_hand() -> None:
    # 1 - .8 and 1 - 0, mean of two.
    prediction, label = (
        pixels((3, 0, 4), (0, 2, 0), (1, 1, 1)),
        pixels((0, 0, 1), (1, 0, 0), (NAN,) * 3),
    )
    loss = Normals(name="normals", criterion="cosine").compute_loss(prediction[None], label[None])
    assert loss.tolist() == pytest.approx([0.6])


def test_a_mirror_turns_right_to_left() -> None:
    found = Normals(name="normals").flip_label(pixels((0.6, 0.0, 0.8), (NAN,) * 3))
    torch.testing.assert_close(found, pixels((-0.6, 0.0, 0.8), (NAN,) * 3), equal_nan=True)


@pytest.mark.parametrize(
    "vector, degrees, expected",
    [
        # By a quarter counter-clockwise, what faced right faces up, and what faced up faces left.
        ((1, 0, 0), 90.0, (0, 1, 0)),
        ((0, 1, 0), 90.0, (-1, 0, 0)),
        ((0, 0.6, 0.8), -90.0, (0.6, 0, 0.8)),
        # cos 30 = sqrt 3 / 2, sin 30 = 1 / 2.
        ((0.6, 0, 0.8), 30.0, (0.6 * math.sqrt(3) / 2, 0.3, 0.8)),
    ],
)
def test_turns_with_the_picture(vector, degrees, expected) -> None:
    found = Normals(name="normals").rotate_label(pixels(vector), degrees)
    torch.testing.assert_close(found, pixels(expected))


def test_turns_as_the_picture_does() -> None:
    # A ball seen from the front has the normal (x, y) at (x, y), and looks alike when turned: its
    # normals are as before when pixels have moved by a quarter turn and values are turned along.
    line = torch.linspace(-0.7, 0.7, 5)
    y, x = torch.meshgrid(-line, line, indexing="ij")  # y is up
    ball = torch.stack((x, y, (1 - x**2 - y**2).sqrt()))
    moved = torch.rot90(ball, 1, (-2, -1))  # counter-clockwise as seen
    torch.testing.assert_close(Normals(name="normals").rotate_label(moved, 90.0), ball)


def test_a_zoom_leaves_the_surface() -> None:
    assert (
        Normals(name="normals").scale_label(pixels((0.6, 0, 0.8)), 2.0).equal(pixels((0.6, 0, 0.8)))
    )


def test_what_is_refused(unchecked) -> None:
    with pytest.raises(
        ValueError, match=r"Normals\(criterion='l2'\): allowed are 'l1' and 'cosine'"
    ):
        Normals(name="normals", criterion="l2")  # pyright: ignore
