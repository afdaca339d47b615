"""Dual-LoRA: one expert a rank behind a rectified gate (Jiao et al. 2025, arXiv:2411.12787).

By RoDE's first author. Results for LLaVA-1.5-7B on Uni-Food, as reported in notes on the paper
(v3): ingredient IoU 24.2, F1 35.2, recipe BLEU 14.8, ROUGE-L 42.1; plain LoRA 23.2, 34.1, 12.4,
40.1 and RoDE 23.6, 34.6, 13.8, 41.4.

Run:     model = coterie.graft(base, coterie.recipes.dual_lora().mixtures)
Expect:  no number is published here yet.
Departs: see the recipe's `departures`.
"""

from coterie.experts.dual_lora import DualLora
from coterie.mixture import Mixture
from coterie.recipe import Recipe
from coterie.recipes.rode import QUERY_VALUE
from coterie.routing.gates.token import TokenGate
from coterie.routing.routers.rectified import Rectified
from coterie.stage import Stage


def dual_lora(
    *,
    rank: int = 32,
    scale: float = 2.0,
    dropout: float = 0.05,
    at: tuple[str, ...] = (QUERY_VALUE,),
    learning_rate: float = 2e-4,
    epochs: float = 5.0,
) -> Recipe:
    """Multiply a layer-normed skill space with a rectified task space, rank by rank.

    Args:
        rank: of both spaces; one of 32 has 1.5 times the parameters of a LoRA of rank 32.
        scale: factor of the change, whatever the rank.
        dropout, at, learning_rate, epochs: as in `shared_lora`.
    """
    gate = TokenGate(bias=False)
    experts = DualLora(rank=rank, scale=scale, dropout=dropout)
    return Recipe(
        name="dual_lora",
        mixtures=tuple(
            Mixture(at=each, experts=experts, gate=gate, router=Rectified()) for each in at
        ),
        stages=(Stage(name="joint", learning_rate=learning_rate, epochs=epochs, warmup=0.03),),
        paper="Jiao et al. 2025, arXiv:2411.12787",
        notes="The released code trains connector and visual cue enhancement first; not here.",
        departures=(
            "Without the paper's visual cue enhancement, which changes the vision tower's output.",
            "Dropout does not apply to the task space's input.",
        ),
    )
