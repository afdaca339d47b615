"""Mod-Squad: a vision transformer with experts chosen by task (Chen et al., arXiv:2212.08066).

Run:     recipe = coterie.recipes.mod_squad()
         model = coterie.graft(vit, recipe.mixtures, tasks=("depth", "normal", ...))
Expect:  delta_m +1.9 % on rendered scenes (docs/results.md). The paper (2023), on PASCAL-Context:
         segmentation 74.1, normals 13.7, human parts 62.7, saliency 66.9, edges 72.0.
Departs: by default experts are initialised from a pretrained base model; the paper trains from
         scratch, which is `pretrained=False`. A pretrained model's MLP expert is as wide as its
         MLP unless `mlp_ratio` is given, where the paper divides the width by the active
         experts, and its query experts have the width of one of its heads. Where MLP experts
         are shares of a pretrained MLP, as with `mlp_ratio`, gates are initialised to 0 and not
         with 0.02: at 0 a token mixes as many different shares equally, which is the base MLP.
         The task embedding that the paper adds to the tokens is added by
         `coterie.models.MultiTaskVisionModel`. In other models gates read the token alone.
         Statistics are of the global batch; the code's are of one GPU's.
"""

from typing import Literal

from coterie.balancing.uncertainty import Uncertainty
from coterie.experts.attention import AttentionHeads
from coterie.experts.copies import Copies
from coterie.losses.mutual_information import MutualInformation
from coterie.mixture import Mixture
from coterie.recipe import Recipe
from coterie.routing.gates.task import TaskGate
from coterie.routing.routers.top_k import TopK
from coterie.stage import Stage

EVEN_ATTENTION = r".*layers?\.\d*[02468]\.(attention|attn|self_attn)"
ODD_MLP = r".*layers?\.\d*[13579]\.mlp"
LAYER_LAYOUTS = {
    "all": ("vision.attn", "vision.mlp"),
    "alternate": (EVEN_ATTENTION, ODD_MLP),
    "odd mlp": ("vision.attn", ODD_MLP),
}
GATE_STD = 0.02  # of initial gates in the released models: see `TaskGate`
# Embeddings that a transformer adds to its patches; without decay, as in the released code.
UNDECAYED = (r".*embeddings\.(cls_token|distillation_token|position_embeddings?(\.weight)?)",)
RATIO = 4  # hidden units of a transformer's MLP, by the width of its tokens


def mod_squad(  # noqa: PLR0913  what the paper's own ablations change
    *,
    mlp: tuple[int, int] | None = (16, 4),
    attention: tuple[int, int] | None = (24, 12),
    normalize: Literal["all", "selected"] = "all",
    layers: Literal["all", "alternate", "odd mlp"] = "all",
    pretrained: bool = True,
    mlp_ratio: int | None = None,
    information: float | None = None,
    learning_rate: float = 4e-4,
    epochs: float = 100.0,
    released: bool = False,
) -> Recipe:
    """Train MLP experts and attention experts jointly, with a gate for each task.

    Args:
        mlp: the number of MLP experts, and how many of them a token uses; None for none.
        attention: the same of attention experts; (24, 12) in the base model, (15, 6) in the small.
        normalize: "all", the paper's, lets weights sum to less than 1, which shrinks the output of
            a pretrained model's blocks at first; "selected" lets them sum to 1.
        layers: "all" has both mixtures in every layer; "alternate" has attention experts in even
            layers and MLP experts in odd ones, as the released models for the paper's sizes;
            "odd mlp" has attention experts in all and MLP experts in odd ones.
        pretrained: False initialises the experts randomly, for a model trained from scratch.
        mlp_ratio: hidden units of an MLP expert, by the width of a token, before they are divided
            by the active experts: 4 in the paper, so that together they are as wide as a dense
            MLP. None for that, or for full copies if the base model is pretrained.
        information: the mutual information's weight; None for the paper's 0.001, or the released
            code's 0.005. 0 is plain mixture of experts, without it.
        learning_rate, epochs: the peak, for 256 images per step, and passes over the data.
        released: True for the released code's constants: 1e-4 is added to probabilities and
            inside the mutual information, whose weight is 0.005. False for the paper's formulas
            and its weight, 0.001.

    Raises ValueError for an unknown choice.
    """
    if layers not in LAYER_LAYOUTS:
        raise ValueError(f"mod_squad(layers={layers!r}): allowed are {', '.join(LAYER_LAYOUTS)}")
    if mlp is None and attention is None:
        raise ValueError("mod_squad(mlp=None, attention=None): give experts of one kind at least")
    epsilon, weight = (1e-4, 0.005) if released else (0.0, 0.001)
    weight = weight if information is None else information
    init = "host" if pretrained else "fresh"

    def mixture(at: str, kind: Copies | AttentionHeads, active: int) -> Mixture:
        router = TopK(k=active, normalize=normalize, epsilon=epsilon)
        is_share = isinstance(kind, Copies) and pretrained and kind.divisor > 1
        gate = TaskGate(init_std=0.0 if is_share else GATE_STD)
        return Mixture(at=at, experts=kind, gate=gate, router=router)

    mixtures = []
    if attention is not None:
        queries = AttentionHeads(count=attention[0], replace=True, init=init)
        mixtures.append(mixture(LAYER_LAYOUTS[layers][0], queries, attention[1]))
    if mlp is not None:
        ratio = RATIO if mlp_ratio is None else mlp_ratio
        divisor = 1 if pretrained and mlp_ratio is None else compute_hidden_divisor(mlp[1], ratio)
        copies = Copies(count=mlp[0], trained="full", divisor=divisor, init=init)
        mixtures.append(mixture(LAYER_LAYOUTS[layers][1], copies, mlp[1]))
    return Recipe(
        name="mod_squad",
        mixtures=tuple(mixtures),
        losses=(MutualInformation(weight=weight, epsilon=epsilon),) if weight else (),
        balancing=Uncertainty(positive=True),
        stages=(make_stage(("adapter", "host"), learning_rate, epochs),),
        paper="Chen et al. 2023, arXiv:2212.08066",
        departures=(
            "The vector of the task is the host's business.",
            "The losses' statistics are of the global batch; the code's are of one GPU's.",
            *(PRETRAINED if pretrained and mlp_ratio is None else PRETRAINED[:pretrained]),
        ),
    )


PRETRAINED = (
    "Experts start from a pretrained host; the paper trains from scratch.",
    "MLP experts are as wide as the host's MLP; the paper divides the width by the active.",
)


def make_stage(trains: tuple[str, ...], learning_rate: float, epochs: float) -> Stage:
    """Return the one stage of the released code, with 256 images per step."""
    return Stage(
        name="joint", trains=trains, learning_rate=learning_rate, epochs=epochs, warmup=0.1,
        weight_decay=0.05, undecayed=UNDECAYED, decays_balancing=True, epsilon=1e-4, batch_size=256,
    )  # fmt: skip


def compute_hidden_divisor(active: int, ratio: int) -> int:
    """Return the divisor of the MLP's hidden units. Raises ValueError if it is not an integer."""
    if ratio < 1 or RATIO * active % ratio:
        raise ValueError(
            f"mod_squad(mlp_ratio={ratio}): give a divisor of {RATIO * active}, {RATIO} times the "
            "experts that a token uses"
        )
    return RATIO * active // ratio
