"""MOELoRA: LoRA experts mixed by the task alone (Liu et al. 2023, arXiv:2310.18339).

Run:     recipe = coterie.recipes.moelora()
         model = coterie.graft(base, recipe.mixtures, tasks=("caption", "ocr"))
Expect:  no number is published here yet.
Departs: see the recipe's `departures`; the paper's task embedding is shared by all layers.
"""

from coterie.experts.lora import Lora
from coterie.mixture import Mixture
from coterie.recipe import Recipe
from coterie.routing.gates.task import TaskGate
from coterie.routing.routers.softmax import Softmax
from coterie.stage import Stage


def moelora(
    *,
    experts: int = 8,
    rank: int = 4,
    alpha: float = 8.0,
    dropout: float = 0.0,
    init_std: float = 1.0,
    at: tuple[str, ...] = ("text.attn", "text.mlp"),
    learning_rate: float = 1e-4,
    epochs: float = 1.0,
) -> Recipe:
    """Mix all LoRA experts with weights that are learned for each task, regardless of tokens.

    For one task this is one LoRA, which `coterie.extract` extracts exactly.

    Args:
        experts: their number; the paper has 8.
        rank: of each expert; the paper splits rank 16 among all.
        alpha: the scale is alpha / rank. The experts' weights add up to 1, so at equal weights the
            mixture is one LoRA of all ranks whose scale is this over `experts`.
        init_std: of the initial logits; 0 initialises all tasks equally, large values give each
            task few experts.
        dropout, at, learning_rate, epochs: as in `shared_lora`.
    """
    lora = Lora(ranks=(rank,) * experts, alpha=alpha, dropout=dropout)
    gate = TaskGate(per_token=False, init_std=init_std)
    return Recipe(
        name="moelora",
        mixtures=tuple(Mixture(at=each, experts=lora, gate=gate, router=Softmax()) for each in at),
        stages=(Stage(name="joint", learning_rate=learning_rate, epochs=epochs, warmup=0.03),),
        paper="Liu et al. 2023, arXiv:2310.18339",
        departures=(
            "A task's logits are a row of their own in every layer; the paper's are a linear map "
            "of a learned task embedding.",
        ),
    )
