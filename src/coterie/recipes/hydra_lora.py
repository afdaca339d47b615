"""HydraLoRA: experts that share one down projection (Tian et al. 2024, arXiv:2404.19245).

Run:     model = coterie.graft(base, coterie.recipes.hydra_lora().mixtures)
Expect:  no number is published here yet.
Departs: see the recipe's `departures`.
"""

from coterie.experts.hydra_lora import HydraLora
from coterie.mixture import Mixture
from coterie.recipe import Recipe
from coterie.routing.gates.token import TokenGate
from coterie.routing.routers.softmax import Softmax
from coterie.stage import Stage


def hydra_lora(
    *,
    experts: int = 3,
    rank: int = 16,
    alpha: float = 32.0,
    dropout: float = 0.0,
    at: tuple[str, ...] = ("text.attn", "text.mlp"),
    learning_rate: float = 1e-4,
    epochs: float = 1.0,
) -> Recipe:
    """Mix the up projections of all experts by token, after one down projection for all.

    Args:
        experts: the number of up projections.
        rank: of the down projection and of each up projection.
        alpha: the scale is alpha / rank; the experts' weights add up to 1.
        dropout, at, learning_rate, epochs: as in `shared_lora`.
    """
    kind = HydraLora(count=experts, rank=rank, alpha=alpha, dropout=dropout)
    gate = TokenGate(bias=False)
    return Recipe(
        name="hydra_lora",
        role="baseline",
        mixtures=tuple(Mixture(at=each, experts=kind, gate=gate, router=Softmax()) for each in at),
        stages=(Stage(name="joint", learning_rate=learning_rate, epochs=epochs, warmup=0.03),),
        paper="Tian et al. 2024, arXiv:2404.19245",
        departures=(
            "The number of experts is given; the paper finds it by clustering the training texts.",
        ),
    )
