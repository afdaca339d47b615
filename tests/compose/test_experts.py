"""Experts of several runs at one layer, with numbers worked out by hand."""

from typing import Any

import pytest
import torch

from coterie import ByModality, Lora, Mixture, Null, Rectified, TokenGate
from coterie.compose.experts import (
    SiteExperts,
    compose_text_experts,
    compose_tower_experts,
    find_problem,
)

SHARES = {"text": (0.25, 0.75), "image": (1.0, 0.0), "audio": (0.0, 1.0)}


def experts(down: float, up: float, *, ranks: tuple[int, ...] = (1,), **given: Any) -> SiteExperts:
    """Experts from one feature to one, all rows alike."""
    shared: Lora | None = given.get("shared")
    rows = sum(ranks) + (sum(shared.ranks) if shared else 0)
    lora = Lora(ranks=ranks, alpha=2.0)
    mixture = Mixture(**({"experts": lora, "gate": None} | given))
    ones = torch.ones(rows, 1)
    return SiteExperts(mixture=mixture, down=down * ones, up=up * ones)


def test_one_lora_each_stands_beside_the_other() -> None:
    composed = compose_text_experts([experts(1, 2), experts(3, 4)], SHARES, text="sum", site="x")
    assert composed is not None
    assert composed.ranks == (1, 1) and composed.owners == (0, 1)
    assert composed.weights == SHARES  # other modalities have the weights of text
    assert composed.down.tolist() == [[1], [3]]
    assert composed.up.tolist() == [[4], [8]]  # times alpha / rank = 2
    assert composed.make_mixture("text.mlp") == Mixture(
        at="text.mlp", experts=Lora(ranks=(1, 1), scale=1.0), gate=ByModality(weights=SHARES),
        router=Rectified(),
    )  # fmt: skip


def test_decoupled_runs_have_two_experts_each() -> None:
    pair = [experts(1, 1, ranks=(1, 2), gate=ByModality(), router=Rectified())] * 2
    composed = compose_text_experts(pair, SHARES, text="sum", site="x")
    assert composed is not None and composed.ranks == (1, 2, 1, 2)
    assert composed.weights == {
        "text": (0.25, 0, 0.75, 0), "image": (0, 1, 0, 0), "audio": (0, 0, 0, 1),
        # No run was trained with these: each run's own expert of media, with its weight for text.
        "video": (0, 0.25, 0, 0.75), "sound": (0, 0.25, 0, 0.75),
    }  # fmt: skip


def test_an_always_on_expert_is_one_more() -> None:
    run = experts(1, 1, shared=Lora(ranks=(1,), alpha=2.0), blend="complement")
    # Without a gate the routed weight is 1, and the complement 0.
    assert run.get_weights("image") == (1, 0)
    assert experts(1, 1, shared=Lora(ranks=(1,), alpha=2.0)).get_weights("text") == (1, 1)


def test_merged_text_leaves_media_as_they_are() -> None:
    composed = compose_text_experts(
        [experts(1, 1), experts(3, 2)], {**SHARES, "text": (0.5, 0.5)}, text="mean", site="x"
    )
    assert composed is not None and composed.owners == (None, 0, 1)
    # down: (1 + 3) / 2; up: (1 + 2) / 2, times 2.
    assert composed.down.tolist() == [[2], [1], [3]] and composed.up.tolist() == [[3], [2], [4]]
    assert composed.weights == {"text": (1, 0, 0), "image": (0, 1, 0), "audio": (0, 0, 1)}


def test_media_of_no_run_go_through_the_merged_text() -> None:
    composed = compose_text_experts(
        [experts(1, 1), experts(1, 1)], {"text": (0.5, 0.5)}, text="ties", site="x"
    )
    assert composed is not None
    assert (composed.ranks, composed.weights) == ((1,), {"text": (1.0,)})


def test_experts_of_weight_0_are_left_out() -> None:
    shares = {"text": (1.0, 0.0)}
    composed = compose_text_experts([experts(1, 1), experts(2, 2)], shares, text="sum", site="x")
    assert composed is not None and composed.owners == (0,)
    assert compose_text_experts([None, experts(2, 2)], shares, text="sum", site="x") is None


def test_rows_of_an_encoder_have_one_decision() -> None:
    one = experts(1, 1, ranks=(1, 1), gate=ByModality(), router=Rectified())
    composed = compose_tower_experts([one, experts(1, 1)], (1.0, 0.0), "image")
    assert composed is not None and composed.owners == (0,)
    assert composed.weights == {"text": (1.0,)}


def test_ranks_that_differ_have_no_mean() -> None:
    two = [experts(1, 1), experts(1, 1, ranks=(2,))]
    with pytest.raises(ValueError, match=r"text='mean' .* ranks \[1, 2\] at layers.0.q_proj"):
        compose_text_experts(two, SHARES, text="mean", site="layers.0.q_proj")


def test_what_is_not_composed() -> None:
    assert find_problem(Mixture(gate=TokenGate())) == "a TokenGate"
    assert find_problem(Mixture(experts=(Lora(), Null()), gate=None)) == "Null experts"
    assert find_problem(Mixture(gate=None, tasks=("a", "b"))) == "experts of the tasks a, b alone"
    assert find_problem(Mixture(gate=None)) is None
    assert find_problem(Mixture(gate=ByModality(), router=Rectified())) is None
