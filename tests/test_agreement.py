"""Processes that ran different layers are told so, and do not wait for each other for ever."""

import pytest
from torch import distributed

from coterie.distributed import assert_same_layers_across_ranks


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch):
    """Two processes played by one: the second call meets what the first one brought."""
    brought: list[object] = []

    def exchanged(found: list[object], value: object) -> None:
        brought.append(value)
        found[:] = [*brought[-2:-1], value]

    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(distributed, "all_gather_object", exchanged)


def test_one_process_exchanges_nothing():
    assert_same_layers_across_ranks(["a"])


def test_equal_layers_pass(two):
    assert_same_layers_across_ranks(["a", "b"])
    assert_same_layers_across_ranks(["a", "b"])


@pytest.mark.parametrize("other", [["a"], ["b", "a"], []])
def test_other_layers_are_an_error(two, other):
    assert_same_layers_across_ranks(["a", "b"])
    with pytest.raises(ValueError, match=rf"this one ran {len(other)}, the last .* layerdrop"):
        assert_same_layers_across_ranks(other)
