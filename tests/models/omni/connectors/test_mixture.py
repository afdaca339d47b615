"""A mixture as a connector: its weights by hand, its tokens one by one, and its size."""

import pytest
import torch
from torch import nn

from coterie.models.omni.connectors.mixture import ConnectorMixture, MixtureConnector
from tests.tinies.base import seeded

KIND = MixtureConnector(experts=4, chosen=2, dropout=0.0)


def count(part: nn.Module) -> int:
    return sum(each.numel() for each in part.parameters())


def build() -> ConnectorMixture:
    network = seeded(lambda: KIND.build(8, 6, 5)).eval()
    assert isinstance(network, ConnectorMixture)
    return network


def test_a_token_is_the_weighted_sum_of_its_two_experts() -> None:
    network, hidden = build(), torch.randn(3, 6)
    probs = network.gate(hidden).softmax(-1)
    for row, given, found in zip(probs, hidden, network.mix(hidden), strict=True):
        best = row.topk(2).indices.tolist()
        # The shares are those of all four, so they do not sum to 1.
        wanted = sum(row[each] * network.experts[each](given) for each in best)
        torch.testing.assert_close(found, wanted)


def test_equal_gates_have_equal_shares() -> None:
    # 12 equal logits, 4 chosen: 1/12 each, 1/3 together.
    network = seeded(lambda: MixtureConnector(dropout=0.0).build(8, 6, 5)).eval()
    assert isinstance(network, ConnectorMixture)
    weights, _ = network.router(torch.zeros(1, 12), None)
    assert weights.sum().item() == pytest.approx(1 / 3)
    assert sorted(set(weights[0].tolist())) == pytest.approx([0, 1 / 12])


def test_tokens_do_not_depend_on_each_other_and_every_weight_learns() -> None:
    network, x = build(), torch.randn(2, 3, 8)
    together = KIND.project(network, x, torch.ones(2, 3, dtype=torch.bool))
    assert together.shape == (2, 3, 5) and KIND.count_tokens(3) == 3
    torch.testing.assert_close(network(x[1:, :1]), together[1:, :1])
    together.square().sum().backward()
    grads = {name: each.grad for name, each in network.named_parameters()}
    assert not any(each is None for each in grads.values())
    assert grads["direction"] is not None and grads["direction"].any()
    # In bfloat16 too, as a base model is often loaded.
    assert network.bfloat16()(x.bfloat16()).dtype == torch.bfloat16


def test_size_of_the_published_predictor() -> None:
    """DINOv2-large (1024) and LLaMA-3-8B (4096), width 2048, 12 experts."""
    with torch.device("meta"):
        to_text = MixtureConnector().build(1024, 2048, 4096)
        to_image = MixtureConnector().build(4096, 2048, 1024)
    assert isinstance(to_text, ConnectorMixture) and isinstance(to_image, ConnectorMixture)
    # 12 experts of two maps, 2048 * 2048 weights and 2048 biases each; a gate of 2048 * 12 + 12.
    mixed = count(to_text.experts) + count(to_text.gate)
    assert mixed == 12 * 2 * 2048 * 2049 + 24_588
    # One set of experts, with a map in and a head of each direction.
    ends = [count(each) for net in (to_text, to_image) for each in (net.linear_in, net.linear_out)]
    assert ends == [2_099_200, 8_392_704, 8_390_656, 2_098_176]
    # The branch of contrast, which a connector has not: its norm, its vector and that of the other
    # branch, and a head of 2048 * 2049 for each direction.
    branch = count(to_text.norm) + 2 * 2048 + 2 * 2048 * 2049
    assert mixed + sum(ends) + count(to_text.norm) + branch == 130_122_764
    # Heads of contrast take the targets to the width, as the maps in do: 1024 and 4096 to 2048.
    heads = count(to_text.linear_in) + count(to_image.linear_in)
    assert heads == 10_489_856 and 130_122_764 + heads == 140_612_620


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"experts": 2, "chosen": 3}, "choose at least one of the experts, and at most all"),
        ({"dropout": 1.0}, r"dropout=1.0\): a share in \[0, 1\)"),
    ],
)
def test_wrong_fields(fields: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MixtureConnector(**fields)  # pyright: ignore[reportArgumentType]
