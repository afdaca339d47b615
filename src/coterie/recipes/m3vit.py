"""M3ViT: MLP experts in every second layer, a gate for each task (Liang et al. 2022).

Run:     recipe = coterie.recipes.m3vit()
         model = coterie.graft(vit, recipe.mixtures, tasks=("semseg", "human_parts", ...))
Expect:  delta_m -5.6 % on rendered scenes (docs/results.md). The paper (arXiv:2210.14793), on
         PASCAL-Context, as Mod-Squad's has it: segmentation 72.8, normals 14.5, human parts 62.1,
         saliency 66.3, edges 71.7.
Departs: a reconstruction from the paper's abstract idea and from Mod-Squad's copy of the model
         (`m3vit_taskgate_mlp16E4_small`): of its own code only data, losses and metrics were read.
         That the layers with experts are the odd ones, the softmax over all experts, and the load
         balance of Switch Transformer are not verified. AdamW instead of SGD, with a learning rate
         chosen here, and no noise on the logits. The load balance is taken a task at a time, as in
         Mod-Squad's copy. No vector of the task is meant to be in the tokens:
         `Vision(task_embedding=False, head="convolutions")`.
"""

from dataclasses import replace

from coterie.balancing.fixed import Fixed
from coterie.losses.load_balance import LoadBalance
from coterie.recipe import Recipe, Stage
from coterie.recipes.mod_squad import mod_squad


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
    """Dense attention; top-k of MLP experts in layers 1, 3, 5 and so on, a gate for each task.

    The weights of tasks are those of the data set: see `coterie.dense.task.DenseTask.weight`.

    Args:
        experts: MLP experts to choose from.
        active: how many of them a token uses.
        pretrained: False draws the experts anew.
        mlp_ratio: as in `coterie.recipes.mod_squad`.
        balance: weight of the load balance.
        learning_rate: at its highest, for 8 images a step.
        epochs: passes over the data.
    """
    recipe = mod_squad(
        mlp=(experts, active),
        attention=None,
        layers="odd mlp",
        pretrained=pretrained,
        mlp_ratio=mlp_ratio,
        information=0.0,
    )
    return replace(
        recipe,
        name="m3vit",
        losses=(LoadBalance(weight=balance, by_task=True),),
        balancing=Fixed(),
        stages=(
            Stage(
                name="joint",
                trains=("adapter", "host"),
                learning_rate=learning_rate,
                epochs=epochs,
                schedule="linear",
                weight_decay=1e-4,
                batch_size=8,
            ),
        ),
        paper="Liang et al. 2022, arXiv:2210.14793",
        notes="Meant for Vision(task_embedding=False, head='convolutions').",
        departures=(
            "Reconstruction: places of the experts, softmax and load balance are not verified.",
            "AdamW instead of SGD, with a learning rate chosen here; decay is linear, not poly.",
            "Gates draw no noise.",
        ),
    )
