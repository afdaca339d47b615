"""RoDE: LoRA experts of unequal ranks behind a rectified gate (Jiao et al. 2024, arXiv:2407.12730).

Run:     model = coterie.graft(base, coterie.recipes.rode().mixtures)
Expect:  no number is published here yet, and none of the paper's could be read.
Departs: a reconstruction. What could be read of the paper is that experts have different ranks
         and that a linear rectified gate makes them sparse; the rest is chosen here.
"""

from coterie.experts.lora import Lora
from coterie.losses.sparsity import Sparsity
from coterie.mixture import Mixture
from coterie.recipe import Recipe, Stage
from coterie.routing.gates.token import TokenGate
from coterie.routing.routers.rectified import Rectified


def rode(
    *,
    ranks: tuple[int, ...] = (4, 8, 16, 32),
    alpha: float = 16.0,
    dropout: float = 0.0,
    bias: float = 0.1,
    sparsity: float = 0.0,
    at: tuple[str, ...] = ("text.attn", "text.mlp"),
    learning_rate: float = 1e-4,
    epochs: float = 1.0,
) -> Recipe:
    """Mix all LoRA experts with a positive logit, weighted by the logit itself.

    Args:
        ranks: the rank of each expert; greater ranks give more parameters to hard tasks.
        alpha: an expert's scale is alpha / its rank.
        bias: added to every logit, so that initially every token has experts; without any it
            has no gradient.
        sparsity: weight of the L1 norm of the gates; 0 for none.
        dropout, at, learning_rate, epochs: as in `shared_lora`.
    """
    lora = Lora(ranks=tuple(ranks), alpha=alpha, dropout=dropout)
    gate, router = TokenGate(bias=False), Rectified(bias=bias)
    return Recipe(
        name="rode",
        mixtures=tuple(Mixture(at=each, experts=lora, gate=gate, router=router) for each in at),
        losses=(Sparsity(weight=sparsity),) if sparsity else (),
        stages=(Stage(name="joint", learning_rate=learning_rate, epochs=epochs, warmup=0.03),),
        paper="Jiao et al. 2024, arXiv:2407.12730",
        notes="A reconstruction: no code and no configuration of the paper could be read.",
        departures=(
            "Ranks, places, scale, bias and learning rate are chosen here.",
            "No auxiliary loss by default: whether the paper has one is not known.",
        ),
    )
