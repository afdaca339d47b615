"""Depths as labels."""

import math

import pytest
import torch

from coterie.metrics.dense.labels import METRES, DepthScale

TASKONOMY = DepthScale(units_per_metre=512.0, log_range=2.0**16)


def test_taskonomy_by_hand() -> None:
    # 0.5 m are 256 units: log 257 / log 65536. 0 m: log 1 = 0. 65535 units: 1.
    metres = torch.tensor([0.5, 0.0, 65535 / 512])
    label = TASKONOMY.encode(metres)
    assert label.tolist() == pytest.approx([math.log(257) / math.log(65536), 0.0, 1.0])
    torch.testing.assert_close(TASKONOMY.decode(label), metres)


def test_what_no_depth_has_is_taken_to_the_nearest() -> None:
    assert METRES.decode(torch.tensor([-3.0, 2.0])).tolist() == [0.0, 2.0]
    # 1 is the label of 65535 units, or 127.998 m.
    found = TASKONOMY.decode(torch.tensor([-1.0, 7.0]))
    assert found.tolist() == pytest.approx([0.0, 65535 / 512])


def test_unknown_stays_unknown() -> None:
    for scale in (METRES, TASKONOMY):
        unknown = torch.tensor([math.nan])
        assert scale.encode(unknown).isnan().all() and scale.decode(unknown).isnan().all()


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"units_per_metre=0.0\): give a number above 0"):
        DepthScale(units_per_metre=0.0)
    with pytest.raises(ValueError, match=r"log_range=1.0\): give None or a number above 1"):
        DepthScale(log_range=1.0)
