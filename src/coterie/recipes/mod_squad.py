"""Mod-Squad: a vision transformer whose tasks pick experts (Chen et al. 2023, arXiv:2212.08066).

Run:     recipe = coterie.recipes.mod_squad()
         model = coterie.graft(vit, recipe.mixtures, tasks=("depth", "normal", ...))
Expect:  no number is published here yet. The paper, on PASCAL-Context: segmentation 74.1,
         normals 13.7, human parts 62.7, saliency 66.9, edges 72.0.
Departs: experts start from a pretrained host; the paper trains from scratch. So an MLP expert is
         as wide as the host's MLP, where the paper divides its width by the active experts, and a
         query expert has the width of one of the host's heads.
         No vector of the task is added to the tokens; the task's own gates see the bare token.
         Statistics are of the global batch; the code's are of one GPU's.
"""

from typing import Literal

from coterie.balancing.uncertainty import Uncertainty
from coterie.experts.copies import Copies
from coterie.experts.queries import Queries
from coterie.losses.mutual_information import MutualInformation
from coterie.mixture import Mixture
from coterie.recipe import Recipe, Stage
from coterie.routing.gates.task import TaskGate
from coterie.routing.routers.top_k import TopK

EVEN_ATTENTION = r".*layers?\.\d*[02468]\.(attention|attn|self_attn)"
ODD_MLP = r".*layers?\.\d*[13579]\.mlp"


def mod_squad(
    *,
    small: bool = False,
    mlp: tuple[int, int] = (16, 4),
    attention: tuple[int, int] | None = None,
    normalize: Literal["all", "selected"] = "all",
    layers: Literal["all", "alternate"] = "all",
    learning_rate: float = 4e-4,
    epochs: float = 100.0,
    released: bool = False,
) -> Recipe:
    """MLP experts and attention experts, a gate for each task, all trained together.

    Args:
        small: the small model's attention, (15, 6), instead of the base model's, (24, 12).
        mlp: MLP experts to choose from, and how many of them a token uses.
        attention: the same of attention experts; None for what `small` says.
        normalize: "all", the paper's, lets weights sum to less than 1, which shrinks what a
            pretrained host's blocks say at first; "selected" lets them sum to 1.
        layers: "all" has both mixtures in every layer; "alternate" has attention experts in even
            layers and MLP experts in odd ones, as the released models for the paper's sizes.
        learning_rate: at its highest, for 256 images a step.
        epochs: passes over the data.
        released: True for the released code's constants: 1e-4 is added to probabilities and
            inside the mutual information, whose weight is 0.005. False for the paper's formulas
            and its weight, 0.001.
    """
    if attention is None:
        attention = (15, 6) if small else (24, 12)
    epsilon, information = (1e-4, 0.005) if released else (0.0, 0.001)
    if layers not in ("all", "alternate"):
        raise ValueError(f"mod_squad(layers={layers!r}): allowed are 'all' and 'alternate'")

    def mixture(at: str, kind: Copies | Queries, active: int) -> Mixture:
        router = TopK(k=active, normalize=normalize, epsilon=epsilon)
        return Mixture(at=at, experts=kind, gate=TaskGate(), router=router)

    places = ("vision.attn", "vision.mlp") if layers == "all" else (EVEN_ATTENTION, ODD_MLP)
    return Recipe(
        name="mod_squad",
        mixtures=(
            mixture(places[0], Queries(count=attention[0], replace=True), attention[1]),
            mixture(places[1], Copies(count=mlp[0], trained="full"), mlp[1]),
        ),
        losses=(MutualInformation(weight=information, epsilon=epsilon),),
        balancing=Uncertainty(positive=True),
        stages=(
            Stage(
                name="joint",
                trains=("adapter", "host"),
                learning_rate=learning_rate,
                epochs=epochs,
                warmup=0.1,
                weight_decay=0.05,
                batch_size=256,
            ),
        ),
        paper="Chen et al. 2023, arXiv:2212.08066",
        departures=(
            "Experts start from a pretrained host; the paper trains from scratch.",
            "MLP experts are as wide as the host's MLP; the paper divides the width by the active.",
            "No vector of the task is added to the tokens.",
            "The losses' statistics are of the global batch; the code's are of one GPU's.",
        ),
    )
