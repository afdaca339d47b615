"""Dense: a backbone with a head for each task and no experts, all of it trained; a baseline.

The multi-task baseline of Mod-Squad (Chen et al. 2023, arXiv:2212.08066) and M3ViT. On a data set
of one task, such as `Scenes(names=("depth",))`, it is the single-task model.

Run:     recipe = coterie.recipes.dense()
         run = coterie.train(recipe, base="a/vit", tasks=Scenes(), out="runs/dense")
Expect:  delta_m -10.4 % on rendered scenes (docs/results.md).
"""

from coterie.balancing.uncertainty import Uncertainty
from coterie.recipe import Recipe
from coterie.recipes.mod_squad import make_stage


def dense(*, learning_rate: float = 4e-4, epochs: float = 100.0) -> Recipe:
    """Train the full base model without experts, in the stage of `mod_squad`.

    Args:
        learning_rate, epochs: the peak, for 256 images per step, and passes over the data.
    """
    return Recipe(
        name="dense",
        role="baseline",
        mixtures=(),
        balancing=Uncertainty(positive=True),
        stages=(make_stage(("host",), learning_rate, epochs),),
        paper="Chen et al. 2023, arXiv:2212.08066",
        notes="For hosts with a head a task. On one task alone it is the single-task model.",
    )
