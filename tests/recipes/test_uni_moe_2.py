"""DCMoE's block against a plain one, written from its description: a loop over tokens."""

import pytest
import torch
from torch import Tensor, nn
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaMLP

import coterie
from coterie import Copies, Mixture, Null, TokenGate, TopP, recipes
from coterie.losses import TopPBalance
from coterie.mixture_layer import MixtureLayer
from coterie.routing.context import RoutingContext
from coterie.routing.decision import Tape
from coterie.routing.gates.base import LayerSite
from tests.plain_dcmoe import PlainBlock, leaf
from tests.tiny import TINY

WIDTH, ROUTED, NULL, SHARED, TOKENS = 16, 4, 1, 2, 40


def plain_block(layer: nn.Module, gate: Tensor, form: str, uniform: Tensor | None) -> PlainBlock:
    """The plain block with a layer's weights."""
    stacks = {name: each.detach() for name, each in layer.named_parameters()}
    parts = ("gate_proj__weight", "up_proj__weight", "down_proj__weight")
    experts, shared = (
        [[stacks[prefix + name][e] for name in parts] for e in range(count)]
        for prefix, count in (("", ROUTED), ("shared__", SHARED))
    )
    return PlainBlock(experts, shared, gate, form=form, uniform=uniform)


class Pinned(TopP):
    """A router whose sampled numbers are known."""

    def sample_noise(self, shape, device, *, training):
        given = super().sample_noise(shape, device, training=training)
        return None if given is None else uniform().reshape(shape)


def uniform() -> Tensor:
    return torch.rand(TOKENS, ROUTED + NULL, generator=torch.Generator().manual_seed(5)).double()


def built(form: str):
    """The mixture with random weights, and tokens; all in float64."""
    torch.manual_seed(3)
    host = LlamaMLP(
        LlamaConfig(hidden_size=WIDTH, intermediate_size=32, num_attention_heads=2)
    ).double()
    mixture = Mixture(
        experts=(Copies(count=ROUTED, divisor=4), Null()),
        gate=TokenGate(init_std=0.5, precise=True),
        router=Pinned(weights="sparse_mixer", gradient=form),
        shared=Copies(count=SHARED, divisor=8),
        blend="softmax",
    )
    experts, gate = mixture.build(host, WIDTH, 0, has_gate=True)
    for weight in experts.parameters():
        nn.init.normal_(weight, std=0.5)
    return mixture, host, experts.double(), gate.double(), torch.randn(TOKENS, WIDTH).double()


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("form", ["released", "paper"])
def test_block_equals_a_plain_one_in_outputs_and_gradients(form: str, training: bool) -> None:
    mixture, host, experts, gate, x = built(form)
    # Logits of near ties, so that sampling has a choice: the gate's rows are nearly equal.
    with torch.no_grad():
        gate.weight[1:3] = gate.weight[0] + 0.002 * gate.weight[1:3]
    plain = plain_block(experts, gate.weight, form, uniform() if training else None)
    mine, other, tape = leaf(x), leaf(x), Tape()
    layer = MixtureLayer(
        mixture=mixture, layer_site=LayerSite(name="mlp", tower="text", tie_group="")
    )
    context = RoutingContext(batch_size=1, device=x.device, tape=tape)
    found = layer.run(experts.train(training), gate.train(training), host, mine, context)
    wanted = plain.run(other)
    torch.testing.assert_close(found, wanted, atol=1e-9, rtol=1e-9)
    toward = torch.randn_like(found)
    found.backward(toward)
    wanted.backward(toward)
    stacked = {
        f"{prefix}{name}_proj__weight": torch.stack([grad(each[place]) for each in group])
        for prefix, group in (("", plain.experts), ("shared__", plain.shared))
        for place, name in enumerate(("gate", "up", "down"))
    }
    for name, weight in experts.named_parameters():
        torch.testing.assert_close(weight.grad, stacked[name], atol=1e-9, rtol=1e-9, msg=name)
    torch.testing.assert_close(gate.weight.grad, plain.gate.grad, atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(mine.grad, other.grad, atol=1e-9, rtol=1e-9)
    counts = (tape["mlp"].weights != 0).sum(1)
    assert counts.unique().numel() > 1  # tokens differ in how many they choose
    assert (tape["mlp"].weights[:, ROUTED] > 0).any()  # and some choose the null expert


def grad(x: Tensor) -> Tensor:
    return torch.zeros_like(x) if x.grad is None else x.grad


def test_sampling_is_used_in_training_alone() -> None:
    router = TopP(weights="sparse_mixer", gradient="paper")
    shape, device = torch.Size((3, 5)), torch.device("cpu")
    assert router.sample_noise(shape, device, training=False) is None
    noise = router.sample_noise(shape, device, training=True)
    assert noise is not None and noise.shape == shape
    formula = TopP(weights="sparse_mixer")
    assert formula.sample_noise(shape, device, training=True) is None


def test_recipe_is_the_published_block() -> None:
    (mixture,) = recipes.uni_moe_2().mixtures
    assert mixture.kinds == (Copies(count=4), Null(count=1))
    assert mixture.shared == Copies(count=2, divisor=8) and mixture.blend == "softmax"
    assert mixture.router == TopP(p=0.7, weights="sparse_mixer", gradient="paper")
    assert recipes.uni_moe_2(released=True).mixtures[0].router.gradient == "released"
    assert recipes.uni_moe_2().losses == (TopPBalance(weight=0.025, answer_weight=10.0),)
    assert recipes.uni_moe_2(balance=0.0).losses == ()


def test_tokens_of_an_answer_are_marked_for_the_balance_loss() -> None:
    tiny = TINY["llama"]()
    model = coterie.graft(tiny.model, recipes.uni_moe_2().mixtures)
    with coterie.observe(model) as tape:
        model(**tiny.batch)
    answered = (tiny.batch["labels"] != -100).cumsum(1) > 0
    assert answered.any() and not answered.all()
    for routing in tape.values():
        assert routing.answer is not None
        valid = torch.ones_like(routing.answer) if routing.valid is None else routing.valid
        assert torch.equal(routing.answer[valid], answered.flatten()[valid])
