import math

import torch

from coterie.metrics.dense.labels import normalize_vectors, to_camera_axes


def test_vectors_get_length_one() -> None:
    # (3, 0, 4) is 5 long
    found = normalize_vectors(torch.tensor([3.0, 0.0, 4.0]).view(3, 1, 1)).flatten()
    assert torch.allclose(found, torch.tensor([0.6, 0.0, 0.8]))


def test_no_direction_is_unknown() -> None:
    vectors = torch.tensor([[0.0, math.nan], [0.0, 1.0], [0.0, 1.0]]).view(3, 1, 2)
    assert normalize_vectors(vectors).isnan().all()


def test_signs_turn_axes() -> None:
    stored = torch.tensor([0.0, 2.0, 0.0]).view(3, 1, 1)
    assert to_camera_axes(stored).flatten().tolist() == [0, -1, 0]
