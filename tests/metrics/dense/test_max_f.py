"""The greatest F over thresholds."""

import math

import pytest
import torch

from coterie.metrics.dense.max_f import MaxF
from tests.metrics.cases import map_statistics


def row(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(1, 1, -1)


def logit(*probabilities: float) -> torch.Tensor:
    return row(*probabilities).logit()


def test_by_hand() -> None:
    # To .25: 3 found, 2 right, R = 1, P = 2/3. To .55: 2 found, 1 right, P = 1/2, R = 1/2. To .85:
    # P = 1, R = 1/2. At .9: 0, 0. With beta^2 = .3: 1.3 * (2/3) / (.2 + 1) = .7222;
    # 1.3 * 1/4 / (.15 + .5) = .5; 1.3 * 1/2 / (.3 + .5) = .8125. With 1: .8, .5 and .6667.
    prediction, label = logit(0.88, 0.57, 0.27, 0.99), row(1, 0, 1, math.nan)
    metric = MaxF()
    found = map_statistics(metric, prediction, label)
    assert found[:15].tolist() == pytest.approx([2 / 3] * 2 + [1 / 2] * 6 + [1] * 6 + [0])
    assert found[15:30].tolist() == pytest.approx([1] * 2 + [1 / 2] * 6 + [1 / 2] * 6 + [0])
    assert metric.score(found) == pytest.approx(81.25)
    assert MaxF(beta_squared=1.0).score(found) == pytest.approx(80)


def test_precision_and_recall_are_means_over_pictures() -> None:
    # Both all found at .5. First: P = 1/2, R = 1; second, nothing salient: P = R = 0. The means
    # are 1/4 and 1/2: 1.3 / 8 / (.075 + .5).
    metric = MaxF()
    total = map_statistics(metric, logit(0.5, 0.5), row(1, 0)) + map_statistics(
        metric, logit(0.5), row(0)
    )
    assert metric.score(total) == pytest.approx(100 * 1.3 / 8 / 0.575)


def test_nothing_found_is_0() -> None:
    assert MaxF().score(map_statistics(MaxF(), logit(0.1), row(1))) == 0


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"beta_squared=0.0\): give a number above 0"):
        MaxF(beta_squared=0.0)
