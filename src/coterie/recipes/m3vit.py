"""M3ViT: MLP experts in every second layer, a gate for each task (Liang et al. 2022).

Run:     recipe = coterie.recipes.m3vit()
         model = coterie.graft(vit, recipe.mixtures, tasks=("semseg", "human_parts", ...))
Expect:  no number of this form is published here yet: -5.6 % on rendered scenes (docs/dense.md) is
         delta_m with Switch Transformer's load balance and gates initialised to 0. The paper
         (arXiv:2210.14793), on PASCAL-Context, as reported by Mod-Squad: segmentation 72.8,
         normals 14.5, human parts 62.1, saliency 66.3, edges 71.7.
Departs: see the recipe's `departures`. Experts in odd layers, the softmax over all experts, the
         loss and the gates' initialisation are those of the released code.
"""

from dataclasses import replace

from coterie.balancing.fixed import Fixed
from coterie.losses.importance import Importance
from coterie.recipe import Recipe
from coterie.recipes.mod_squad import mod_squad
from coterie.routing.gates.task import TaskGate
from coterie.stage import Stage


def m3vit(
    *,
    experts: int = 16,
    active: int = 4,
    pretrained: bool = True,
    mlp_ratio: int | None = None,
    balance: float = 0.01,
    learning_rate: float = 1e-4,
    epochs: float = 100.0,
) -> Recipe:
    """Mix top-k MLP experts in layers 1, 3, 5 and so on, with a gate for each task.

    Attention is dense. The weights of tasks are those of the data set: see
    `coterie.tasks.dense.task.DenseTask.weight`.

    Args:
        experts, active: the number of MLP experts, and how many of them a token uses.
        pretrained: False initialises the experts randomly.
        mlp_ratio: as in `coterie.recipes.mod_squad`.
        balance: weight of CV(importance)^2 + CV(load)^2 of each task's gate, summed over tasks.
        learning_rate, epochs: the peak, for 8 images per step, and passes over the data.
    """
    mlp = (experts, active)
    recipe = mod_squad(
        mlp=mlp, attention=None, layers="odd mlp", pretrained=pretrained, mlp_ratio=mlp_ratio
    )
    # Kaiming-uniform, with torch's default a = sqrt 5, of a matrix of width x experts, whose fan
    # is the number of experts: up to 1 / sqrt(experts), so logits spread by 2.8 at a width of 384.
    gate = TaskGate(init="uniform", init_std=(3 * experts) ** -0.5)
    stage = Stage(
        name="joint", trains=("adapter", "host"), learning_rate=learning_rate, epochs=epochs,
        schedule="linear", weight_decay=1e-4, batch_size=8,
    )  # fmt: skip
    return replace(
        recipe,
        name="m3vit",
        mixtures=tuple(replace(each, gate=gate) for each in recipe.mixtures),
        losses=(Importance(weight=balance, unbiased=True, load=True, by_task=True),),
        balancing=Fixed(),
        stages=(stage,),
        paper="Liang et al. 2022, arXiv:2210.14793",
        notes="Meant for VisionConfig(task_embedding=False, head='convolutions').",
        departures=(
            "AdamW instead of SGD, with a learning rate chosen here; decay is linear, not poly.",
        ),
    )
