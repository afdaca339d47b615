"""MoLE: a soft mixture of LoRA experts at every linear layer (Wu et al. 2024, arXiv:2404.13628).

Run:     recipe = coterie.recipes.mole()
         model = coterie.graft(base, recipe.mixtures)
Expect:  no number is published here yet.
Departs: the paper composes LoRAs that were trained before, and trains the gates alone; here
         experts and gates start new and learn together, as a baseline of equal size needs.
         The paper's gate reads the experts' outputs; this one reads the layer's input.
         The paper's balancing loss on the gates is left out.
"""

from coterie.experts.lora import Lora
from coterie.mixture import Mixture
from coterie.recipe import Recipe, Stage
from coterie.routing.gates.token import TokenGate
from coterie.routing.routers.soft import Soft


def mole(
    *,
    experts: int = 4,
    rank: int = 8,
    alpha: float = 16.0,
    dropout: float = 0.0,
    temperature: float = 1.0,
    at: tuple[str, ...] = ("text.attn", "text.mlp"),
    learning_rate: float = 1e-4,
    epochs: float = 1.0,
) -> Recipe:
    """Every LoRA expert takes part for every token, by its probability.

    Args:
        experts: how many.
        rank: of each expert.
        alpha: the scale is alpha / rank.
        dropout: share of the input dropped in training.
        temperature: of the softmax; small values make the mixture harder.
        at: roles or patterns, a mixture for each.
        learning_rate: at its highest.
        epochs: passes over the data.
    """
    lora = Lora(ranks=(rank,) * experts, alpha=alpha, dropout=dropout)
    soft = Soft(temperature=temperature)
    return Recipe(
        name="mole",
        mixtures=tuple(
            Mixture(at=each, experts=lora, gate=TokenGate(), router=soft) for each in at
        ),
        stages=(Stage(name="joint", learning_rate=learning_rate, epochs=epochs, warmup=0.03),),
        paper="Wu, Huang and Wei 2024, arXiv:2404.13628",
        departures=(
            "Experts and gates start new and learn together; the paper composes trained LoRAs.",
            "The gate reads the layer's input; the paper's reads the experts' outputs.",
            "The paper's balancing loss on the gates is left out.",
        ),
    )
