import pytest
import torch

from coterie.routing.context import RoutingContext
from coterie.routing.gates.base import LayerSite
from coterie.routing.gates.token import TokenGate

SITE = LayerSite(name="mlp", tower="text", tie_group="mlp")
CONTEXT = RoutingContext(batch_size=1, device=torch.device("cpu"))


def test_jitter_moves_each_feature_in_training_alone() -> None:
    gate = TokenGate(jitter=0.25).build(4, 4, 0)
    with torch.no_grad():
        gate.weight.copy_(torch.eye(4))
    x = torch.tensor([[[1.0, -2, 4, 0]]] * 50)
    logits = gate.train()(x, CONTEXT, SITE).logits
    assert logits is not None
    # Identity: the logits are the features, each times a number of its own in [.75, 1.25].
    factors = logits[..., :3] / x[..., :3]
    assert 0.75 <= factors.min() < 0.8 and 1.2 < factors.max() <= 1.25
    assert factors.flatten().unique().numel() > 100 and not logits[..., 3].any()
    still = gate.eval()(x, CONTEXT, SITE)
    assert still.logits is None and still.gate_weight is gate.weight
    assert torch.equal(x[0, 0], torch.tensor([1.0, -2, 4, 0]))  # the experts' input is as it was


def test_jitter_is_a_share() -> None:
    with pytest.raises(ValueError, match=r"TokenGate\(jitter=1\.0\): a share in \[0, 1\)"):
        TokenGate(jitter=1.0)
