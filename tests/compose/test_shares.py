"""Shares of runs by modality, and what is wrong with weights."""

from typing import Any

import pytest

from coterie.compose.shares import (
    check_weights,
    compute_shares,
    compute_tower_shares,
    divide,
    find_tower_users,
    make_even_weights,
)

OWNED = [("image",), ("audio",), ("audio", "image"), ()]


def test_text_has_the_weights_and_media_their_owners() -> None:
    found = compute_shares((0.1, 0.2, 0.3, 0.4), OWNED, media="own")
    assert found == {
        "text": (0.1, 0.2, 0.3, 0.4),
        "image": pytest.approx((0.25, 0, 0.75, 0)),  # 0.1 and 0.3 of 0.4
        "audio": pytest.approx((0, 0.4, 0.6, 0)),  # 0.2 and 0.3 of 0.5
    }
    assert compute_shares((1.0, 0.0), [("image",), ("audio",)], media="own") == {
        "text": (1, 0), "image": (1, 0), "audio": (0, 1)
    }  # fmt: skip
    assert compute_shares((0.3, 0.7), [("image",), ()], media="text") == {"text": (0.3, 0.7)}


def test_owners_without_a_weight_share_evenly() -> None:
    assert divide((1.0, 0.0, 0.0), (False, True, True)) == (0, 0.5, 0.5)
    assert divide((1.0, 1.0), (False, False)) == (0, 0)


def test_an_encoder_is_of_the_runs_that_pass_through_it() -> None:
    assert find_tower_users(OWNED, "vision") == [True, False, True, False]
    assert find_tower_users(OWNED, "audio") == [False, True, True, False]
    assert find_tower_users(OWNED, "text") == [True] * 4
    assert find_tower_users([("video",)], "vision") == [True]
    assert compute_tower_shares((0.5, 0.5), [("image",), ("audio",)], "audio") == (0, 1)


def test_even_weights_sum_to_1() -> None:
    assert make_even_weights(4) == (0.25,) * 4
    assert check_weights([1, 0], 2) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ((0.5,), r"weights=\[0.5\] has 1 numbers, and 2 runs are composed"),
        ((0.5, -1), r"weights=\[0.5, -1.0\]: give numbers of at least 0"),
        ((0, 0), "and one above it"),
        ((1, float("nan")), "give numbers of at least 0"),
        (("a", 1), r"weights=\('a', 1\): give 'even', 'search', or a number for each run"),
        (None, "weights=None: give 'even', 'search', or a number for each run"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_wrong_weights(weights: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_weights(weights, 2)
