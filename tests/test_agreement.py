"""Processes that ran different layers are told so, and do not wait for each other for ever."""

import pytest
import torch
from torch import distributed

from coterie.distributed import assert_same_layers_across_ranks


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch):
    """Two processes played by one: the second call meets what the first one brought."""
    brought: list[torch.Tensor] = []

    def exchanged(values: torch.Tensor, op: object = None) -> None:
        brought.append(values.clone())
        values.copy_(torch.stack(brought[-2:]).amin(0))

    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "get_backend", lambda: "gloo")
    monkeypatch.setattr(distributed, "all_reduce", exchanged)


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
