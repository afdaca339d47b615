"""Which experts stay, by hand."""

import pytest

from coterie.extract.expert_selection import (
    PruningOptions,
    compute_lost_choices,
    select_experts_to_keep,
)


def test_mod_squad_s_rule() -> None:
    # Shares .5, .3, .16, .04 of all choices; at .1 / 2 = .05 the last goes.
    assert select_experts_to_keep([1.0, 0.6, 0.32, 0.08], 2, 0.1) == (0, 1, 2)
    # .03 / 2 = .015: all stay.
    assert select_experts_to_keep([1.0, 0.6, 0.32, 0.08], 2, 0.03) == (0, 1, 2, 3)


def test_as_many_as_a_token_uses_stay_in_any_case() -> None:
    # 2 / 2 = 1, above every share; the two most chosen stay, in their order.
    assert select_experts_to_keep([0.1, 0.9, 0.2, 0.8], 2, 2.0) == (1, 3)
    # Of equals the first.
    assert select_experts_to_keep([0.0, 1.0, 0.0, 0.0], 2, 0.03) == (0, 1)


def test_a_share_on_the_threshold_goes() -> None:
    # Shares .25 and .75; .25 is not above .25 / 1.
    assert select_experts_to_keep([1.0, 3.0], 1, 0.25) == (1,)


def test_at_zero_what_was_never_chosen_goes() -> None:
    assert select_experts_to_keep([1e-9, 1.0, 0.0], 1, 0.0) == (0, 1)


def test_bad_values() -> None:
    with pytest.raises(ValueError, match="no expert was ever chosen"):
        select_experts_to_keep([0.0, 0.0], 1, 0.03)
    with pytest.raises(ValueError, match=r"threshold=-1\.0\): give 0 or more"):
        PruningOptions(threshold=-1.0)


def test_choices_that_are_lost() -> None:
    # Of 2 choices a token, .5 fell on the first and last expert.
    assert compute_lost_choices({"a": {"chosen": [0.2, 1.0, 0.5, 0.3]}}, {"a": (1, 2)}) == {
        "a": 0.25
    }
