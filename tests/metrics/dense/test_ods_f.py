"""ODS F of edges."""

import math
from itertools import permutations

import numpy as np
import pytest
import torch

from coterie.metrics.dense.ods_f import OdsF, count_matches
from tests.metrics.cases import map_statistics

SIDE = 60
"""0.0375 of the diagonal of 60 * sqrt 2 = 84.85 pixels is 3.18 pixels."""
METRIC = OdsF(thresholds=9, max_distance=0.0375)


def lines(*rows: int, value: float = 1.0, fill: float = 0.0) -> torch.Tensor:
    picture = torch.full((1, SIDE, SIDE), fill)
    picture[:, list(rows), 10:50] = value
    return picture


def logits(*rows: int, probability: float = 0.75) -> torch.Tensor:
    return lines(*rows, value=math.log(probability / (1 - probability)), fill=-9.0)


def counts(
    prediction: torch.Tensor, label: torch.Tensor, metric: OdsF = METRIC
) -> list[list[float]]:
    return map_statistics(metric, prediction, label).reshape(3, -1).tolist()


def test_perfect_is_100_up_to_its_probability() -> None:
    # Above .1 to .7 all 40 are found, at .8 and .9 none.
    found = counts(logits(20), lines(20))
    assert found == [[40] * 7 + [0] * 2, [40] * 7 + [0] * 2, [40] * 9]
    assert METRIC.score(np.ravel(found)) == 100


@pytest.mark.parametrize("shift, both", [(1, 40), (3, 40), (4, 0)])
def test_a_shifted_line_counts_within_3_pixels(shift: int, both: int) -> None:
    found = counts(logits(20 + shift), lines(20))
    assert found[0][0] == both and found[1][0] == 40
    assert METRIC.score(np.ravel(found)) == pytest.approx(100 * both / 40)


def test_two_lines_for_one_count_once() -> None:
    # 80 found, 40 true, 40 matched: 2 * 40 / 120.
    found = counts(logits(19, 21), lines(20))
    assert found[0][0] == 40 and found[1][0] == 80
    assert METRIC.score(np.ravel(found)) == pytest.approx(200 / 3)


def test_a_line_for_two_counts_once() -> None:
    assert METRIC.score(map_statistics(METRIC, logits(20), lines(19, 21))) == pytest.approx(200 / 3)


def test_the_threshold_is_one_for_all_pictures() -> None:
    # First: right at .75, wrong at .35. Second: right at .35. To .3: 40 + 40 matched of 80 + 40
    # found and 80 true: 160 / 200. From .4 to .7: 40 of 40 found: 80 / 120.
    first = torch.maximum(logits(20), logits(40, probability=0.35))
    total = map_statistics(METRIC, first, lines(20))
    total = total + map_statistics(METRIC, logits(20, probability=0.35), lines(20))
    assert METRIC.score(total) == pytest.approx(80)


def test_thick_edges_are_thinned() -> None:
    # Three rows become one, at most one pixel shorter at either end; unthinned, 80 are too many.
    thick = METRIC.score(map_statistics(METRIC, logits(19, 20, 21), lines(20)))
    assert thick > 97
    plain = OdsF(thresholds=9, max_distance=0.0375, thin=False)
    assert plain.score(map_statistics(plain, logits(19, 20, 21), lines(20))) == pytest.approx(50)


def test_nothing_found_nothing_true_and_nothing_known() -> None:
    nothing = torch.full((1, SIDE, SIDE), -9.0)
    assert METRIC.score(map_statistics(METRIC, nothing, lines(20))) == 0
    assert METRIC.score(map_statistics(METRIC, logits(20), lines())) == 0
    assert math.isnan(METRIC.score(map_statistics(METRIC, nothing, lines())))
    assert not map_statistics(METRIC, logits(20), lines() * math.nan).any()


def test_what_is_found_where_nothing_is_known_does_not_count() -> None:
    label = lines(20)
    label[:, 30:] = math.nan
    assert METRIC.score(map_statistics(METRIC, logits(20, 40), label)) == 100


def test_matching_is_the_largest_there_is() -> None:
    # Against all ways to pair up to 5 found with 5 true pixels.
    rng = np.random.default_rng(0)
    for _ in range(50):
        masks = [np.zeros((6, 6), bool) for _ in range(2)]
        for one in masks:
            one.flat[rng.choice(36, 5, replace=False)] = True
        distances = np.linalg.norm(
            np.argwhere(masks[0])[:, None] - np.argwhere(masks[1])[None], axis=-1
        )
        near = distances <= 1.5
        best = max(near[range(5), order].sum() for order in map(list, permutations(range(5))))
        assert count_matches(*masks, 1.5) == best


def test_a_pixel_far_from_the_line_by_just_the_reach_matches() -> None:
    # The diagonal of 3 by 4 is 5; a fifth of it is 1 pixel.
    found, true = np.zeros((2, 3, 4), bool)
    found[0, 0] = true[0, 1] = True
    assert count_matches(found, true, 1.0) == 1 and count_matches(found, true, 0.99) == 0


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"thresholds=0\): give a number, at least 1"):
        OdsF(thresholds=0)
    with pytest.raises(ValueError, match=r"max_distance=2.0\): give a share of the diagonal"):
        OdsF(max_distance=2.0)
