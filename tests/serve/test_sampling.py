"""How tokens are chosen: the likeliest, draws from the likeliest few, probabilities, bad values."""

import math
from typing import Any

import pytest
import torch

from coterie.serve.sampling import ChosenToken, Sampling, TokenLogprob

# Probabilities 1/2, 1/4, 1/8, 1/8.
LOGITS = torch.tensor([2.0, 3.0, 1.0, 1.0]) * math.log(2)


def draw(count: int = 200, **options: Any) -> list[int]:
    sampling = Sampling(max_tokens=1, **options)
    generator = sampling.make_generator()
    return [sampling.choose(LOGITS, generator).token for _ in range(count)]


def test_the_likeliest_token() -> None:
    assert draw(1) == [1] and Sampling(max_tokens=1).is_plain


def test_draws_have_the_probabilities_of_the_temperature() -> None:
    drawn = draw(4000, temperature=1.0, seed=0)
    # Standard deviation of 4000 draws at 1/2: sqrt(1000) = 31.6; 4 of them are 127.
    assert abs(drawn.count(1) - 2000) < 127
    # At temperature 1/2 the logits double: 4^-1, 4^-2 ... of 1, 1/4, 1/16, 1/16, so 16/22.
    cold = draw(4000, temperature=0.5, seed=0)
    assert abs(cold.count(1) - 4000 * 16 / 22) < 4 * math.sqrt(4000 * 16 / 22 * 6 / 22)


def test_top_p_keeps_the_fewest_that_have_it() -> None:
    assert set(draw(temperature=1.0, seed=0, top_p=0.5)) == {1}
    assert set(draw(temperature=1.0, seed=0, top_p=0.51)) == {0, 1}
    assert set(draw(temperature=1.0, seed=0, top_p=0.75)) == {0, 1}
    assert set(draw(temperature=1.0, seed=0)) == {0, 1, 2, 3}


def test_a_seed_gives_the_same_draws_and_no_seed_others() -> None:
    hot = {"temperature": 1.5}
    assert draw(**hot, seed=7) == draw(**hot, seed=7) != draw(**hot, seed=8)
    assert draw(**hot) != draw(**hot)


def test_log_probabilities_are_those_at_temperature_1() -> None:
    for temperature in (0.0, 1e-3):
        sampling = Sampling(max_tokens=1, temperature=temperature, top_logprobs=2, seed=0)
        chosen = sampling.choose(LOGITS, sampling.make_generator())
        assert chosen.token == 1 and not sampling.is_plain
        assert chosen.logprob == pytest.approx(math.log(1 / 2))
        assert [each.token for each in chosen.likeliest] == [1, 0]
        assert chosen.likeliest[1].logprob == pytest.approx(math.log(1 / 4))
    alone = Sampling(max_tokens=1, top_logprobs=0).choose(LOGITS, torch.Generator())
    assert alone == ChosenToken(1, pytest.approx(math.log(1 / 2)), ())
    assert TokenLogprob(1, 0.0) == (1, 0.0)


def test_limit() -> None:
    assert [Sampling(max_tokens=5).limit(each).max_tokens for each in (3, 9)] == [3, 5]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"max_tokens": 0}, "max_tokens=0: give a whole number from 1"),
        ({"temperature": 2.5}, "temperature=2.5: give a number from 0 to 2"),
        ({"temperature": math.nan}, "temperature=nan"),
        ({"top_p": 0.0}, "top_p=0.0: give a number above 0 and at most 1"),
        ({"top_p": math.nan}, "top_p=nan"),
        ({"seed": 2**64}, "at most 63 bits"),
        ({"stop": ("",)}, "none empty"),
        ({"stop": ("a",) * 17}, "at most 16 texts"),
        ({"top_logprobs": 21}, "top_logprobs=21: give 0 to 20"),
    ],
)
def test_wrong_values(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Sampling(**{"max_tokens": 1} | wrong)
