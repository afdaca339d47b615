"""RoDE: LoRA experts of unequal ranks behind a rectified gate (Jiao et al. 2024, arXiv:2407.12730).

Run:     model = coterie.graft(base, coterie.recipes.rode().mixtures)
Expect:  no number is published here yet. On LLaVA-1.5-7B and Uni-Food, as its first author reran
         it for arXiv:2411.12787: ingredient IoU 23.6, F1 34.6, recipe BLEU 13.8, ROUGE-L 41.4, and
         plain LoRA 23.2, 34.1, 12.4, 40.1.
Departs: a reconstruction. What could be read of the paper is that experts have different ranks
         and that a linear rectified gate makes them sparse; see the recipe's `departures`.
"""

from coterie.experts.lora import Lora
from coterie.losses.sparsity import Sparsity
from coterie.mixture import Mixture
from coterie.recipe import Recipe
from coterie.recipes.awaker import LAYER
from coterie.routing.gates.token import TokenGate
from coterie.routing.routers.rectified import Rectified
from coterie.stage import Stage

QUERY_VALUE = LAYER + r"self_attn\.(q|v)_proj"


def rode(
    *,
    ranks: tuple[int, ...] = (4, 8, 16, 32),
    scale: float | None = 2.0,
    dropout: float = 0.05,
    bias: float = 0.1,
    sparsity: float = 0.0,
    at: tuple[str, ...] = (QUERY_VALUE,),
    learning_rate: float = 2e-4,
    epochs: float = 5.0,
) -> Recipe:
    """Mix all LoRA experts with a positive logit, weighted by the logit itself.

    Args:
        ranks: the rank of each expert; greater ranks give more parameters to hard tasks.
        scale: of every expert, whatever its rank; None for 16 / rank.
        bias: added to every logit, so that initially every token has experts; without any it
            has no gradient.
        sparsity: share of the gates that is to be 0, in (0, 1): the weight of their L1 norm is
            adapted to hold it (ReMoE, arXiv:2412.14711); 0 for no such loss.
        at: roles or patterns, a mixture for each; by default queries and values of the language
            model. ("text.attn", "text.mlp") are all its linear layers.
        learning_rate: the peak. 2e-5 stands in the name of a checkpoint of the author's, and 2e-4
            is the successor's.
        dropout, epochs: as in `shared_lora`.
    """
    lora = Lora(ranks=tuple(ranks), alpha=16.0, scale=scale, dropout=dropout)
    gate, router = TokenGate(bias=False), Rectified(bias=bias)
    return Recipe(
        name="rode",
        mixtures=tuple(Mixture(at=each, experts=lora, gate=gate, router=router) for each in at),
        losses=(Sparsity(weight=1e-8, target=sparsity),) if sparsity else (),
        stages=(Stage(name="joint", learning_rate=learning_rate, epochs=epochs, warmup=0.03),),
        paper="Jiao et al. 2024, arXiv:2407.12730",
        notes="A reconstruction: no code and no configuration of the paper could be read.",
        departures=(
            "Places, number of experts, scale, dropout, rate and epochs are those of the author's "
            "code for the successor, arXiv:2411.12787; ranks and bias are chosen here.",
            "No auxiliary loss by default: whether the paper has one is not known.",
        ),
    )
