"""What every kind of expert owes, whichever file it is in: found, not listed."""

import pytest
import torch
from transformers import ViTConfig
from transformers.models.vit.modeling_vit import ViTAttention, ViTMLP

import coterie.experts
from coterie.experts.base import Experts
from coterie.experts.lora import Lora
from coterie.mixture import Mixture
from coterie.routing.decision import DeferredRouting
from coterie.routing.routers.top_k import TopK
from coterie.serialization import dump, find_kinds, load

# eager attention would take its softmax in float32, too coarse for finite differences
CONFIG = ViTConfig(
    hidden_size=8, intermediate_size=6, num_attention_heads=2, attn_implementation="sdpa"
)
KINDS = find_kinds(coterie.experts, Experts)
WEIGHTED = [kind for kind in KINDS if kind.__name__ != "Null"]


def host_for(kind: type[Experts]) -> torch.nn.Module:
    """What the kind sits at in a vision transformer."""
    if kind.attaches_to == "linears":
        return torch.nn.Linear(8, 6)
    return ViTAttention(CONFIG) if kind.__name__ == "AttentionHeads" else ViTMLP(CONFIG)


def layer_and_host(kind, **fields):
    host = host_for(kind).double().requires_grad_(False)
    layer = kind(**fields).build(host, None).double()
    for weights in layer.parameters():
        weights.data += 0.3 * torch.randn_like(weights)
    return layer, host


def run(layer, host, x, logits, count):
    mixture = Mixture(
        experts=Lora(ranks=(1,) * count), router=TopK(k=min(2, count), normalize="selected")
    )
    gating = DeferredRouting(make_decision=mixture.decide, logits=logits, max_active=min(2, count))
    out, decision = layer(host, x, gating)
    return (out[0] if isinstance(out, tuple) else out), decision


@pytest.mark.parametrize("kind", WEIGHTED, ids=lambda kind: kind.__name__)
class TestExperts:
    def test_reference_gradients_are_those_of_finite_differences(self, kind):
        layer, host = layer_and_host(kind, kernel="reference")
        count = kind().count
        logits = torch.randn(1, 3, count, dtype=torch.float64)
        x = torch.randn(1, 3, 8, dtype=torch.float64, requires_grad=True)

        def of(x, *weights):  # gradcheck moves the layer's own weights, in place
            return run(layer, host, x, logits, count)[0]

        assert torch.autograd.gradcheck(of, (x, *layer.parameters()), atol=1e-4)

    def test_auto_equals_the_reference(self, kind):
        count = kind().count
        logits = torch.randn(2, 5, count, dtype=torch.float64)
        answers = []
        for form in ("auto", "reference"):
            torch.manual_seed(0)
            layer, host = layer_and_host(kind, kernel=form)
            x = torch.randn(2, 5, 8, dtype=torch.float64, requires_grad=True)
            out, _ = run(layer, host, x, logits, count)
            out.square().sum().backward()
            answers.append([out, x.grad, *(w.grad for w in layer.parameters())])
        for first, second in zip(*answers, strict=True):
            torch.testing.assert_close(first, second)

    def test_an_expert_nobody_chose_has_a_gradient_of_zero(self, kind):
        layer, host = layer_and_host(kind)
        count = kind().count
        logits = torch.arange(count, dtype=torch.float64).expand(1, 3, count)
        out, _ = run(layer, host, torch.randn(1, 3, 8, dtype=torch.float64), logits, count)
        out.sum().backward()
        assert all(weights.grad is not None for weights in layer.parameters())

    def test_parameters_sit_directly_on_the_layer(self, kind):
        layer, _ = layer_and_host(kind)
        assert all("." not in name for name, _ in layer.named_parameters())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_it_is_plain_data(kind):
    assert load(dump(kind())) == kind() and kind().count >= 1
