"""Awaker2.5-VL: one expert per sample plus a shared one (Long et al. 2024, arXiv:2411.10669).

Run:     model = coterie.graft(base, coterie.recipes.awaker().mixtures)
Expect:  no number is published here yet. The paper, on Qwen2-VL-7B: MME-RealWorld 60.8 (56.5
         without), MMBench-EN v1.1 82.5 (81.8 without).
Departs: see the recipe's `departures`; the code's decision for a new token has no image's features.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from coterie.experts.lora import Lora
from coterie.losses.importance import Importance
from coterie.mixture import Mixture
from coterie.recipe import Recipe
from coterie.routing.gates.instance import InstanceGate
from coterie.routing.routers.top_k import TopK
from coterie.stage import Stage

# Decoder layers of a language model, alone or in a multimodal model; never a vision tower's.
LAYER = r"(model\.)?((language|text)_model\.)?(model\.)?layers\.\d+\."
QUERY_KEY_VALUE = LAYER + r"self_attn\.(q|k|v)_proj"
OUTPUT = LAYER + r"self_attn\.o_proj"
MLP = LAYER + r"mlp\.(gate|up|down)_proj"
STAGES = ("initialisation", "mixture", "instruction")


def awaker(
    *,
    rank: int = 256,
    alpha: float = 512.0,
    experts: int = 4,
    dropout: float = 0.05,
    noise: float = 0.1,
    importance: float = 0.0,
    epochs: float | tuple[float, ...] = 1.0,
    released: bool = False,
) -> Recipe:
    """Route each sample to one LoRA expert plus a shared one; plain LoRA on query, key and value.

    The shared expert's weight is 1 minus the chosen one's. In the MLP, up_proj and down_proj
    follow gate_proj's decision; o_proj has its own.

    Args:
        rank, alpha: of every LoRA; the scale is alpha / rank.
        experts: the number of routed experts, without the shared one.
        dropout: share of the input dropped in training.
        noise: standard deviation of the noise on the logits in training.
        importance: weight of the squared coefficient of variation of expert usage, which the
            released code computes and does not add; 0 for none.
        epochs: passes over the data in each stage; or those of the three stages, such as (1, 3, 1).
            A run's `steps` are split in this proportion: 500 into 100, 300 and 100. The paper says
            neither how long a stage is nor on which data it is trained, so that all have the same
            by default.
        released: True for the released code: the chosen expert's weight is squared, noise comes
            before the temperature, the gate has a bias, and `importance` divides by
            experts - 1. False for the paper's formula.
    """
    plain = Lora(ranks=(rank,), alpha=alpha, dropout=dropout)
    gate = InstanceGate(pool="embedding", bias=released)
    output = Mixture(
        at=OUTPUT,
        experts=replace(plain, ranks=(rank,) * experts),
        gate=gate,
        router=TopK(k=1, noise=noise, noise_at="before" if released else "after"),
        shared=plain,
        blend="complement",
        weight_exponent=2 if released else 1,
    )
    mlp = replace(output, at=MLP, gate=replace(gate, tie="block"))
    first, second, third = split_epochs(epochs)
    stage = partial(Stage, batch_size=4)
    everything = ("experts", "gates", "shared")
    return Recipe(
        name="awaker",
        mixtures=(Mixture(at=QUERY_KEY_VALUE, experts=plain, gate=None), output, mlp),
        losses=(Importance(weight=importance, unbiased=released),) if importance else (),
        stages=(  # a LoRA everywhere; gates and copies of it; experts alone
            stage(
                name=STAGES[0], trains=("experts",), learning_rate=1e-5, routed=False, epochs=first
            ),
            stage(
                name=STAGES[1], trains=everything, learning_rate=1e-5, init="copy", epochs=second
            ),
            stage(name=STAGES[2], trains=("experts", "shared"), learning_rate=5e-6, epochs=third),
        ),
        paper="Long et al. 2024, arXiv:2411.10669",
        notes="Images of the paper have up to 1,103,872 pixels.",
        departures=(
            "The decision is made once, from the prompt; the code makes it anew for each token.",
            "The mean of the prompt is divided by its root mean square, as in the code; the "
            "paper's formula does not say so.",
            "Softmax in float32; the code's is in float16.",
            "Dropout draws one mask for all experts of a layer.",
            "Epochs are chosen here; the paper does not give them.",
        ),
    )


def split_epochs(epochs: float | Sequence[float]) -> Sequence[float]:
    """Return the passes of each stage. Raises ValueError if there are more or less than three."""
    found = epochs if isinstance(epochs, Sequence) else [epochs] * len(STAGES)
    if len(found) != len(STAGES):
        stages = ", ".join(STAGES)
        raise ValueError(f"epochs={epochs!r}: give one number, or one for each of {stages}")
    return found
