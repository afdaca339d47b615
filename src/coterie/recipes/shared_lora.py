"""Shared LoRA: one adapter for all tasks, the plain baseline of mixtures.

LoRA: Hu et al. 2021, arXiv:2106.09685.

Run:     model = coterie.graft(base, coterie.recipes.shared_lora().mixtures)
Expect:  no number is published here yet.
"""

from coterie.experts.lora import Lora
from coterie.mixture import Mixture
from coterie.recipe import Recipe
from coterie.stage import Stage


def shared_lora(
    *,
    rank: int = 32,
    alpha: float = 64.0,
    dropout: float = 0.0,
    at: tuple[str, ...] = ("text.attn", "text.mlp"),
    learning_rate: float = 1e-4,
    epochs: float = 1.0,
) -> Recipe:
    """Train one LoRA on all tasks together.

    Args:
        rank, alpha: the scale is alpha / rank; 32 has as many weights as four experts of rank 8.
        dropout: share of the input dropped in training.
        at: roles or patterns, a mixture for each.
        learning_rate, epochs: the peak, and passes over the data.
    """
    lora = Lora(ranks=(rank,), alpha=alpha, dropout=dropout)
    return Recipe(
        name="shared_lora",
        role="baseline",
        mixtures=tuple(Mixture(at=each, experts=lora, gate=None) for each in at),
        stages=(Stage(name="joint", learning_rate=learning_rate, epochs=epochs, warmup=0.03),),
        paper="Hu et al. 2021, arXiv:2106.09685",
        notes="Train it once, on all tasks together.",
    )
