"""What every gate owes, whichever file it is in: found, not listed."""

import pytest
import torch

import coterie.routing.gates
from coterie.routing.context import RoutingContext
from coterie.routing.decision import DeferredRouting
from coterie.routing.gates.base import Gate, LayerSite
from coterie.serialization import dump, find_kinds, load

WIDTH, EXPERTS, TASKS, BATCH, SEQ = 6, 3, 2, 4, 5
PLACE = LayerSite(name="model.layers.0.mlp.up_proj", tower="text", tie_group="model")


def state_of(dtype=torch.float64) -> RoutingContext:
    prompt = torch.tensor([[True] * 3 + [False] * 2, [True] * 2 + [False] * 3] * 2)
    mean = torch.randn(BATCH, WIDTH, dtype=dtype, generator=torch.Generator().manual_seed(2))
    return RoutingContext(
        batch_size=BATCH,
        device=torch.device("cpu"),
        task_ids=torch.tensor([0, 1, 1, 0]),
        prompt_mask=prompt,
        modality=torch.zeros(BATCH, SEQ, dtype=torch.int64),
        prompt_mean=mean,
    )


def built(kind: type[Gate], dtype=torch.float64):
    gate = kind()
    layer = gate.build(gate.get_input_width(WIDTH, WIDTH), EXPERTS, TASKS).to(dtype)
    for weights in layer.parameters():
        weights.data.normal_()
    return layer


def logits_of(layer, x, state):
    answer = layer(x, state, PLACE)
    gating = DeferredRouting(
        make_decision=lambda logits: logits,
        logits=answer.logits,
        gate_weight=answer.gate_weight,
        gate_bias=answer.gate_bias,
    )
    return gating.resolve(x)


@pytest.mark.parametrize(
    "kind", find_kinds(coterie.routing.gates, Gate), ids=lambda kind: kind.__name__
)
class TestGate:
    def test_a_row_of_logits_for_each_token_or_sample(self, kind):
        layer, state = built(kind), state_of()
        x = torch.randn(BATCH, SEQ, WIDTH, dtype=torch.float64)
        answer = layer(x, state, PLACE)
        shape = (BATCH, EXPERTS) if answer.per_sample else (BATCH, SEQ, EXPERTS)
        assert logits_of(layer, x, state).shape == shape

    def test_logits_of_half_precision_are_float32(self, kind):
        layer = built(kind, torch.float32)
        x = torch.randn(BATCH, SEQ, WIDTH).bfloat16()
        assert logits_of(layer, x, state_of(torch.float32)).dtype == torch.float32

    def test_gradients_are_those_of_finite_differences(self, kind):
        layer, state = built(kind), state_of()
        names = [name for name, _ in layer.named_parameters()]

        def of(x, *weights):
            answer = torch.func.functional_call(
                layer, dict(zip(names, weights, strict=True)), (x, state, PLACE)
            )
            gating = DeferredRouting(
                make_decision=lambda logits: logits,
                logits=answer.logits,
                gate_weight=answer.gate_weight,
                gate_bias=answer.gate_bias,
            )
            return gating.resolve(x)

        x = torch.randn(BATCH, SEQ, WIDTH, dtype=torch.float64, requires_grad=True)
        weights = [w.detach().requires_grad_() for w in layer.parameters()]
        assert torch.autograd.gradcheck(of, (x, *weights))

    def test_samples_do_not_see_each_other(self, kind):
        layer, state = built(kind), state_of()
        x = torch.randn(BATCH, SEQ, WIDTH, dtype=torch.float64)
        before = logits_of(layer, x, state)
        x[1] += 1.0
        after = logits_of(layer, x, state)
        assert torch.equal(before[[0, 2, 3]], after[[0, 2, 3]])

    def test_parameters_sit_directly_on_the_layer(self, kind):
        assert all("." not in name for name, _ in built(kind).named_parameters())

    def test_it_is_plain_data(self, kind):
        assert load(dump(kind())) == kind()
