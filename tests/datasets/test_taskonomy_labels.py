import math

import numpy as np
import pytest
import torch

from coterie.datasets.taskonomy_labels import (
    DEPTHS,
    LABELS,
    OCCLUSION_MAX,
    decode_depth,
    encode_curvature,
    encode_normals,
    encode_occlusion,
    encode_probabilities,
    rescale_to_unit_range,
)
from coterie.tasks.dense.kinds.regression import Regression
from tests.datasets.written import npy, png

NO_HOLE = np.zeros((1, 2), bool)


def pixel(*values: float) -> torch.Tensor:
    """Channels of one pixel."""
    return torch.tensor(values).view(-1, 1, 1)


def test_depth_is_a_share_of_the_logarithm_of_its_range() -> None:
    # 512 units are a metre, for the scale that scores it, too
    metres = torch.from_numpy(decode_depth(png(np.array([[255, 512]], np.uint16))))
    assert metres[0, 1] == 1
    # log(1 + 255) / log(2^16) = 8 / 16
    assert torch.allclose(DEPTHS.encode(metres)[0, 0], torch.tensor(0.5))


def test_curvature_is_counted_in_deviations_from_its_mean() -> None:
    # (155.494 - 123.572) / 31.922 = 1; (98.442 - 120.1) / 21.658 = -1; the third says nothing
    assert torch.allclose(
        encode_curvature(pixel(155.494, 98.442, 7.0)), pixel(1.0, -1.0), atol=1e-5
    )


def test_numbers_go_from_minus_one_to_one_and_no_further() -> None:
    # 2 * 100 / 400 - 1 = -0.5; 500 is cut off at 400
    assert rescale_to_unit_range(pixel(0.0, 100.0, 400.0, 500.0), 400.0).flatten().tolist() == [
        -1,
        -0.5,
        1,
        1,
    ]


def test_normals_are_turned_to_coteries_axes() -> None:
    # 255 is 1, 0 is -1: (1, -1, -1) with y downward is (1, 1, -1), over the root of 3
    assert torch.allclose(
        encode_normals(pixel(255.0, 0.0, 0.0)), pixel(1.0, 1.0, -1.0) / math.sqrt(3)
    )


def test_occlusion_is_not_cut_off_and_not_blurred_yet() -> None:
    # 0 to the largest are -1 to 1; twice the largest is 2 * 2 - 1
    found = encode_occlusion(torch.tensor([[[0.0, OCCLUSION_MAX, 2 * OCCLUSION_MAX]]]))
    assert found.tolist() == [[[-1.0, 1.0, 3.0]]]
    task = LABELS["edge_occlusion"].task
    assert isinstance(task, Regression) and task.blur == 4


def test_holes_and_unknown_depths_are_left_out_of_means() -> None:
    depth = png(np.array([[255, 65535, 0, 511]], np.uint16))
    hole = np.array([[False, False, True, False]])
    # two pixels from four: the known of each pair is 255, and 511: 8 / 16 and 9 / 16
    found = LABELS["depth_zbuffer"].read(depth, (1, 4), (1, 2), hole)
    assert torch.allclose(found, torch.tensor([[[0.5, 0.5625]]]), atol=1e-3)
    with_all = LABELS["segment_unsup2d"].read(
        png(np.full((1, 4), 255, np.uint8)), (1, 4), (1, 4), hole
    )
    assert with_all.unique().tolist() == [1]  # no label of geometry


def test_reshading_may_be_grey() -> None:
    label = LABELS["reshading"]
    found = label.read(png(np.full((1, 2), 255, np.uint8)), (1, 2), (1, 2), NO_HOLE)
    assert found.shape == (3, 1, 2) and found.unique().tolist() == [1]


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -0.1])
def test_probabilities_are_finite_and_above_zero(wrong) -> None:
    assert encode_probabilities(np.array([0.25, 0.75]), 2).tolist() == [0.25, 0.75]
    with pytest.raises(ValueError, match="probabilities are allowed"):
        encode_probabilities(np.array([wrong, 1.0]), 2)


def test_there_are_13_tasks_in_their_order_with_the_losses_of_the_code() -> None:
    assert list(LABELS)[-2:] == ["segment_unsup2d", "segment_unsup25d"] and len(LABELS) == 13
    assert list(LABELS)[:-2] == sorted(LABELS)[:-2]
    channels = [label.task.channels for label in LABELS.values()]
    assert channels == [1000, 365, 1, 1, 1, 1, 1, 1, 3, 2, 3, 1, 1]
    # squared differences of curvature: (3^2 + 0^2) / 2; absolute ones of edges: 3
    three = torch.tensor([3.0, 0.0]).view(1, 2, 1, 1)
    assert LABELS["principal_curvature"].task.compute_loss(three, three * 0).item() == 4.5
    assert LABELS["edge_texture"].task.compute_loss(three[:, :1], three[:, :1] * 0).item() == 3


def test_a_vector_of_classes_needs_no_size() -> None:
    vector = np.eye(1, 365, dtype=np.float64)[0]
    found = LABELS["class_scene"].read(npy(vector), (9, 9), (2, 2), NO_HOLE)
    assert found.shape == (365,) and found.dtype == torch.float32 and found[0] == 1
