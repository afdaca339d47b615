"""Uni-MoE: copies of the MLP tuned through LoRA, top-2 (Li et al. 2024, arXiv:2405.11273).

Run:     model = coterie.graft(base, coterie.recipes.uni_moe().mixtures)
Expect:  no number is published here yet. The paper, 4 experts, MoE-Task4: A-OKVQA 70.22, OK-VQA
         66.02, MMBench 73.2.
Departs: see the recipe's `departures`; the second stage's MLPs become the paper's experts.
"""

from typing import Literal

from coterie.experts.copies import Copies
from coterie.experts.lora import Lora
from coterie.losses.load_balance import LoadBalance
from coterie.mixture import Mixture
from coterie.recipe import Recipe, Stage
from coterie.routing.gates.token import TokenGate
from coterie.routing.routers.top_k import TopK

# Layers of the language model only: a vision tower's have other names before `layers`.
LAYERS = r"(model\.)?((language|text)_model\.)?layers\."
EVEN_MLP = LAYERS + r"\d*[02468]\.mlp"
ODD_MLP_LINEARS = LAYERS + r"\d*[13579]\.mlp\.(gate|up|down|gate_up)_proj"


def uni_moe(
    *,
    experts: int = 4,
    rank: int = 8,
    alpha: float = 16.0,
    dropout: float = 0.05,
    layers: Literal["all", "even"] = "all",
    aux: bool = False,
    epochs: float = 2.0,
    released: bool = False,
) -> Recipe:
    """Route every token to the top 2 of MLP experts, with a plain LoRA on the attention.

    Args:
        experts: 4 or 8 in the paper, at least 2.
        rank, alpha: of every LoRA, an expert's or the attention's; the scale is alpha / rank.
        dropout: of the plain LoRA; share of the input dropped in training.
        layers: whether "all" or "even" layers have experts; the paper has models of both.
        aux: True adds the load balance loss with 0.01. The paper finds that it helps 8 experts or
            experts that are initialised equally, as they are here.
        epochs: passes over the data in the last stage; 2 or 3 in the paper.
        released: True for the released code: the softmax runs over the chosen experts only, and
            layers without experts get a plain LoRA on their MLP. False for the paper's formula.
    """
    if layers not in ("all", "even"):
        raise ValueError(f"uni_moe(layers={layers!r}): allowed are 'all' and 'even'")
    plain = Lora(ranks=(rank,), alpha=alpha, dropout=dropout)
    mixtures = [
        Mixture(
            at="text.mlp" if layers == "all" else EVEN_MLP,
            experts=Copies(count=experts, trained="lora", rank=rank, alpha=alpha),
            gate=TokenGate(bias=False),
            router=TopK(k=2, normalize="selected" if released else "all"),
        ),
        Mixture(at="text.attn", experts=plain, gate=None),
    ]
    if released and layers == "even":
        mixtures.append(Mixture(at=ODD_MLP_LINEARS, experts=plain, gate=None))
    alignment = Stage(
        name="alignment", trains=("connector",), learning_rate=2e-5, epochs=2.0, batch_size=32
    )
    unified = Stage(
        name="unified", trains=("adapter", "connector"), learning_rate=4e-5, epochs=epochs,
        warmup=0.03,
    )  # fmt: skip
    return Recipe(
        name="uni_moe",
        mixtures=tuple(mixtures),
        losses=(LoadBalance(weight=0.01, counts="top1"),) if aux else (),
        stages=(alignment, unified),
        paper="Li et al. 2024, arXiv:2405.11273",
        departures=(
            "All experts start as the one host's MLP; the paper's second stage, one model a "
            "modality, is left out.",
            "No dropout inside the MLP experts' LoRA.",
            "The router has no LoRA of its own; the released audio model's has, by a slip.",
        ),
    )
