"""InfoNCE of embeddings whose loss can be worked out by hand."""

import math

import pytest
import torch

from coterie.info_nce import compute_info_nce

PAIR = torch.eye(2)


def test_two_orthonormal_pairs() -> None:
    # -log(e / (e + 1)) = ln(1 + e) - 1 = 0.3133, and the bound ln 2 - L = 0.3799.
    losses = compute_info_nce(PAIR, 3 * PAIR, temperature=1.0)
    assert losses.tolist() == pytest.approx([0.3133, 0.3133], abs=5e-5)
    assert math.log(2) - losses.mean().item() == pytest.approx(0.3799, abs=5e-5)
    # Opposite negatives: ln(1 + e^-2) is the least at temperature 1, and the bound 0.5662.
    opposite = torch.tensor([[1.0, 0], [-1, 0]])
    least = compute_info_nce(opposite, opposite, temperature=1.0).mean().item()
    assert math.log(2) - least == pytest.approx(0.5662, abs=5e-5)
    # Of 32 pairs: ln 32 - ln(1 + 31 e^-2) = 1.8180. A low temperature has no such limit.
    assert math.log(32) - math.log(1 + 31 * math.exp(-2)) == pytest.approx(1.8180, abs=5e-5)
    assert compute_info_nce(PAIR, PAIR, temperature=0.02).max() < 1e-10


def test_what_is_excluded_is_no_negative() -> None:
    alike = torch.ones(2, 2, dtype=torch.bool)
    assert compute_info_nce(PAIR, PAIR, temperature=1.0, excluded=alike).tolist() == [0, 0]
    # bfloat16 embeddings are compared in float32, and scale does not matter.
    half = compute_info_nce(PAIR.bfloat16(), PAIR.bfloat16(), temperature=1.0)
    assert half.dtype == torch.float32 and half[0].item() == pytest.approx(0.3133, abs=5e-5)
