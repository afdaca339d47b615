"""What every dispatcher owes; and one of two simulated processes, swapped in under real experts."""

from collections.abc import Iterable, Iterator

import pytest
import torch
from torch import Tensor
from transformers import ViTConfig, ViTModel

import coterie
from coterie import AttentionHeads, Copies, Lora, Mixture, TokenGate, TopK
from coterie.experts.base import set_dispatcher
from coterie.kernels.dispatch import LOCAL, Assignments, Dispatcher, assign_tokens
from tests.tinies.text import llama


class TwoProcesses(Dispatcher):
    """As if even experts were in one process and odd ones in another, rows sent in one message."""

    def __init__(self) -> None:
        self.calls = 0

    def dispatch(self, rows: Tensor, assignments: Assignments) -> Iterator[Tensor]:
        self.calls += 1
        sent = self.split(assignments)
        received = [rows.index_select(0, torch.cat(each)).split([len(part) for part in each])
                    for each in sent]  # fmt: skip
        for expert in range(len(assignments.counts)):
            yield received[expert % 2][expert // 2]

    def combine(
        self, parts: Iterable[tuple[int, Tensor]], assignments: Assignments, out: Tensor
    ) -> Tensor:
        self.calls += 1
        by_expert = assignments.row.split(assignments.counts)
        given = [(by_expert[expert], part) for expert, part in parts]
        row, value = torch.cat([row for row, _ in given]), torch.cat([part for _, part in given])
        return (
            out.index_copy_(0, row, value)
            if assignments.is_unique
            else out.index_add_(0, row, value)
        )

    @staticmethod
    def split(assignments: Assignments) -> list[tuple[Tensor, ...]]:
        by_expert = assignments.row.split(assignments.counts)
        return [by_expert[0::2], by_expert[1::2]]


@pytest.mark.parametrize("dispatcher", [LOCAL, TwoProcesses()], ids=["local", "two processes"])
class TestDispatcher:
    # Token 0 chose experts 0 and 2, token 1 none, token 2 expert 2; nobody chose expert 1.
    gates = torch.tensor([[0.5, 0, 0.25], [0, 0, 0], [0, 0, 2.0]])

    def test_each_expert_gets_the_rows_assigned_to_it(self, dispatcher: Dispatcher) -> None:
        slots = assign_tokens(self.gates)
        x = torch.tensor([[1.0, 2], [3, 4], [5, 6]])
        found = [part.tolist() for part in dispatcher.dispatch(x, slots.of_tokens())]
        assert found == [[[1, 2]], [], [[1, 2], [5, 6]]]
        flat = dispatcher.dispatch(self.gates.view(-1), slots.of_gates(3))
        assert [part.tolist() for part in flat] == [[0.5], [], [0.25, 2]]

    def test_outputs_are_added_to_the_rows_they_came_from(self, dispatcher: Dispatcher) -> None:
        slots = assign_tokens(self.gates)
        parts = [(0, torch.tensor([[1.0]])), (2, torch.tensor([[10.0], [20]]))]
        out = dispatcher.combine(parts, slots.of_tokens(), torch.ones(3, 1))
        assert out.tolist() == [[12], [1], [21]]
        parts = [(2, torch.tensor([7.0, 8])), (0, torch.tensor([9.0]))]
        out = dispatcher.combine(parts, slots.of_gates(3), torch.zeros(9))
        assert out.tolist() == [9, 0, 7, 0, 0, 0, 0, 0, 8]


def vit() -> torch.nn.Module:
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=16, intermediate_size=24, num_attention_heads=2, num_hidden_layers=2,
        image_size=8, patch_size=4,
    )  # fmt: skip
    return ViTModel(config)


def answers(mixture: Mixture, dispatcher: Dispatcher | None) -> list[Tensor]:
    """Outputs of a training step and the experts' gradients."""
    text = mixture.at == "text.mlp"
    torch.manual_seed(1)
    model = coterie.graft(llama().model if text else vit(), mixture)
    for name, each in model.named_parameters():
        if "coterie_experts" in name:
            each.data += 0.1 * torch.randn_like(each)
    if dispatcher is not None:
        set_dispatcher(model, dispatcher)
    pixels = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    out = model(**llama().batch).logits if text else model(pixel_values=pixels).last_hidden_state
    out.square().mean().backward()
    return [out, *(each.grad for each in model.parameters() if each.requires_grad)]


@pytest.mark.parametrize(
    "mixture",
    [
        Mixture(at="text.mlp", experts=Lora(ranks=(2, 2, 4), kernel="sorted_dispatch")),
        Mixture(at="vision.mlp", experts=Copies(count=3, kernel="fused"), router=TopK(k=2)),
        Mixture(at="vision.attn", experts=AttentionHeads(count=3), router=TopK(k=2)),
        Mixture(at="vision.mlp", experts=Copies(count=3, kernel="reference"), gate=TokenGate()),
    ],
    ids=lambda mixture: f"{type(mixture.main).__name__} {mixture.main.kernel}",
)
def test_any_dispatcher_gives_what_the_local_one_gives(mixture: Mixture) -> None:
    other = TwoProcesses()
    wanted, found = answers(mixture, None), answers(mixture, other)
    assert len(wanted) == len(found) > 2
    # A layer dispatches x and gates and combines outputs, in forward and again in backward.
    assert other.calls >= 2 * 3
    for one, two in zip(wanted, found, strict=True):
        torch.testing.assert_close(one, two)
