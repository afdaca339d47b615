"""DAMC's decoupled training: tokens of text and of a modality have LoRAs of their own.

Chen et al. 2024, arXiv:2402.12750 (ACL 2024). Models that are trained so, one for each modality,
are composed into one without training: `coterie.compose`. NaiveMC, its baseline, composes models
with one LoRA for all tokens, as `shared_lora` trains them.

Run:     model = coterie.graft(base, coterie.recipes.damc().mixtures)
Expect:  no number is published here yet.
Departs: see the recipe's `departures`.
"""

from coterie.experts.lora import Lora
from coterie.mixture import Mixture
from coterie.recipe import Recipe
from coterie.routing.gates.by_modality import ByModality
from coterie.routing.routers.rectified import Rectified
from coterie.stage import Stage


def damc(
    *,
    rank: int = 128,
    alpha: float = 256.0,
    dropout: float = 0.05,
    at: tuple[str, ...] = ("text.attn", "text.mlp"),
    trains: tuple[str, ...] = ("adapter",),
    learning_rate: float = 2e-4,
    epochs: float = 1.0,
) -> Recipe:
    """Train a LoRA for the tokens of text, and one for those of pictures, sounds or videos.

    Args:
        rank, alpha: of each of the two; the scale is alpha / rank.
        trains: parts of the model that are trained; with "connector", as the paper does.
        dropout, at, learning_rate, epochs: as in `shared_lora`.
    """
    lora = Lora(ranks=(rank, rank), alpha=alpha, dropout=dropout)
    return Recipe(
        name="damc",
        mixtures=tuple(
            Mixture(at=each, experts=lora, gate=ByModality(), router=Rectified()) for each in at
        ),
        stages=(
            Stage(name="joint", trains=trains, learning_rate=learning_rate, epochs=epochs,
                  warmup=0.03),
        ),
        paper="Chen et al. 2024, arXiv:2402.12750",
        notes="Train it once for each modality, on one base, and compose the runs.",
        departures=(
            "Without the learned tokens around each picture or sound: five before and five after.",
            "One learning rate for both LoRAs; the released code has another for that of text.",
            "The connector is not trained alone first, and stays frozen unless `trains` has it.",
        ),
    )  # fmt: skip
