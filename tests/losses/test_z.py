"""ZLoss against values worked out by hand."""

import math

import pytest
import torch

from coterie.losses.z import ZLoss
from coterie.routing.decision import Routing


def routing(logits: list[list[float]]) -> Routing:
    x = torch.tensor(logits)
    return Routing(weights=x, probs=x, logits=x)


def test_mean_of_squared_log_sums() -> None:
    # Logits (0, 0): log 2. Logits (ln 3, 0): log 4. (ln2^2 + ln4^2) / 2 = 2.5 ln2^2.
    found = ZLoss().compute(routing([[0.0, 0.0], [math.log(3), 0.0]]))
    assert found.item() == pytest.approx(2.5 * math.log(2) ** 2)


def test_epsilon_stands_inside_the_logarithm() -> None:
    # exp(-20) = 2.06e-9, twice that and 1e-4: ln(1.0000412e-4) = -9.2102992, squared 84.829612.
    found = ZLoss(epsilon=1e-4).compute(routing([[-20.0, -20.0]]))
    assert found.item() == pytest.approx(84.829612, rel=1e-6)


def test_large_logits_do_not_overflow() -> None:
    # ln(e^200 + e^0) = 200, squared 40000.
    assert ZLoss(epsilon=1e-4).compute(routing([[200.0, 0.0]])).item() == pytest.approx(40000.0)


def test_epsilon_is_checked() -> None:
    with pytest.raises(ValueError, match=r"ZLoss\(epsilon=-1\.0\)"):
        ZLoss(epsilon=-1.0)
