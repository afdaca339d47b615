"""Regular expressions from files have bounds on length and time."""

import time

import pytest

from coterie import name_patterns
from coterie.name_patterns import compile_pattern, match_names

NAMES = [f"model.layers.{i}.mlp.{part}" for i in range(12) for part in ("up_proj", "down_proj")]


def test_matches_whole_names_in_their_order() -> None:
    found = match_names(r".*\.(1|11)\.mlp\.(up|down)_proj", NAMES, "at")
    assert found == [NAMES[2], NAMES[3], NAMES[22], NAMES[23]]
    assert match_names("model", NAMES, "at") == []


LONG = "model.layers.0.self_attn.q_proj.weight" * 2
ENDS_S = 60
"""Without a bound, the patterns below run for years; a busy machine takes seconds to stop them."""


def test_what_does_not_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(name_patterns, "LIMIT_S", 0.1)
    start = time.monotonic()
    with pytest.raises(ValueError, match=r"^at='.*takes more than 0.1 s to match"):
        match_names(r"(.*)(.*)(.*)(.*)(.*)(.*)(.*)\1\2[XY]", [LONG] * 50, "at")
    assert time.monotonic() - start < ENDS_S


@pytest.mark.parametrize("pattern", [r"([a-z._0-9]+)+X", r"([a-z._0-9]+)+$X", r"(.*)*(.*)*[XY]"])
def test_what_takes_ages_in_re_ends(pattern: str) -> None:
    start = time.monotonic()
    assert match_names(pattern, [LONG] * 10, "at") == []
    assert time.monotonic() - start < ENDS_S


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", r"at='\(' is no regular expression: missing \)"),
        ("a{99999999999999999999}", "is no regular expression"),
        ("(" * 3000, "is no regular expression"),
        ("a" * 5000, "at most 4096 characters"),
    ],
)
def test_what_is_none_is_one_short_line(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        compile_pattern(pattern, "at")
    assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)
