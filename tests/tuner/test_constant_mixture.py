"""Which mixtures are one LoRA for a fixed task, and the reason where one is not."""

import pytest

from coterie import Copies, InstanceGate, Lora, Mixture, ModalityGate, TaskGate, TokenGate, TopK
from coterie.tuner.constant_mixture import require_constant

STATIC = TaskGate(per_token=False)


@pytest.mark.parametrize(
    ("mixture", "message"),
    [
        (Mixture(gate=TokenGate()), r"this has a TokenGate, .* or no gate \(gate=None\)"),
        (Mixture(gate=TaskGate()), r"has a TaskGate, .* TaskGate\(per_token=False\)"),
        (Mixture(gate=InstanceGate(), router=TopK(k=1)), "has a InstanceGate"),
        (Mixture(gate=ModalityGate()), "has a ModalityGate"),
        (Mixture(experts=Copies(), gate=STATIC), "has Copies experts, .* Lora"),
        (
            Mixture(gate=STATIC, router=TopK(noise=0.1, noise_in_evaluation=True)),
            "noise_in_evaluation=False",
        ),
    ],
)
def test_refuses_what_is_not_constant(mixture: Mixture, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        require_constant(mixture, "this")


@pytest.mark.parametrize(
    "mixture",
    [
        Mixture(experts=Lora(ranks=(2, 4)), gate=None),
        Mixture(gate=STATIC, router=TopK(noise=0.1)),  # the noise is for training alone
    ],
)
def test_constant_ones_pass(mixture: Mixture) -> None:
    require_constant(mixture, "this")
