"""Single task: one adapter for each task, trained alone; the baseline without interference.

LoRA: Hu et al. 2021, arXiv:2106.09685.

Run:     coterie.graft(base, coterie.recipes.single_task().mixtures) a task, on a fresh base
Expect:  no number is published here yet.
"""

from dataclasses import replace

from coterie.recipe import Recipe
from coterie.recipes.shared_lora import shared_lora


def single_task(
    *,
    rank: int = 32,
    alpha: float = 64.0,
    dropout: float = 0.0,
    at: tuple[str, ...] = ("text.attn", "text.mlp"),
    learning_rate: float = 1e-4,
    epochs: float = 1.0,
) -> Recipe:
    """Train the LoRA of `shared_lora` once per task, each time on that task alone.

    Args:
        rank: 32 gives each task as much as `shared_lora` gives all of them.
        alpha, dropout, at, learning_rate: as in `shared_lora`.
        epochs: passes over the data of one task.
    """
    recipe = shared_lora(
        rank=rank, alpha=alpha, dropout=dropout, at=at, learning_rate=learning_rate, epochs=epochs
    )
    stages = (replace(recipe.stages[0], name="alone"),)
    notes = "Train it once a task, on a fresh host and on that task's data alone."
    return replace(recipe, name="single_task", stages=stages, notes=notes, one_task=True)
