"""Plain mixture of experts: Mod-Squad's experts and gates with the usual balancing losses.

The baseline `mtvit_taskgate_small_att_mlp` of the released code of Mod-Squad (Chen et al. 2023,
arXiv:2212.08066), with which its mutual information is compared.

Run:     recipe = coterie.recipes.plain_moe()
         model = coterie.graft(vit, recipe.mixtures, tasks=("depth", "normal", ...))
Expect:  delta_m -2.2 % on rendered scenes, noisy (docs/results.md).
Departs: without `noisy` and `noise_in_evaluation`, gates have no noise of a learned scale, as in
         the models that it is compared with. The rest as in `coterie.recipes.mod_squad`.
"""

from dataclasses import replace
from typing import Literal

from coterie.losses.load_balance import LoadBalance
from coterie.losses.z import ZLoss
from coterie.recipe import Recipe
from coterie.recipes.mod_squad import mod_squad
from coterie.routing.gates.task import TaskGate


def plain_moe(  # noqa: PLR0913  those of `mod_squad` that both share
    *,
    mlp: tuple[int, int] | None = (16, 4),
    attention: tuple[int, int] | None = (24, 12),
    normalize: Literal["all", "selected"] = "all",
    layers: Literal["all", "alternate", "odd mlp"] = "all",
    pretrained: bool = True,
    mlp_ratio: int | None = None,
    balance: float = 0.01,
    z: float = 0.001,
    learning_rate: float = 4e-4,
    epochs: float = 100.0,
    released: bool = False,
    noisy: bool = False,
    noise_in_evaluation: bool = False,
) -> Recipe:
    """Train `mod_squad`'s experts and gates with load balance and z-loss, not mutual information.

    Args:
        mlp, attention, normalize, layers, pretrained, mlp_ratio: as in `mod_squad`; attention is
            (15, 6) in the released model.
        balance, z: weights of Switch Transformer's load balance and of the z-loss.
        learning_rate, epochs: the peak, for 256 images per step, and passes over the data.
        released: True for the released code's 1e-4 added to probabilities and inside the z-loss,
            and its load balance of probabilities divided by their sum.
        noisy, noise_in_evaluation: gates add noise of a learned scale, and do so in evaluation,
            too, as in the released model; see `TaskGate`.
    """
    recipe = mod_squad(
        mlp=mlp,
        attention=attention,
        normalize=normalize,
        layers=layers,
        pretrained=pretrained,
        mlp_ratio=mlp_ratio,
        learning_rate=learning_rate,
        epochs=epochs,
        released=released,
    )
    noise = () if noise_in_evaluation else (NOISY if noisy else QUIET,)
    mixtures = []
    for mixture in recipe.mixtures:
        assert isinstance(mixture.gate, TaskGate)
        gate = replace(mixture.gate, noisy=noisy, noise_in_evaluation=noise_in_evaluation)
        mixtures.append(replace(mixture, gate=gate))
    return replace(
        recipe,
        name="plain_moe",
        mixtures=tuple(mixtures),
        losses=(
            LoadBalance(weight=balance, normalize=released),
            ZLoss(weight=z, epsilon=1e-4 if released else 0.0),
        ),
        departures=(*noise, *recipe.departures),
    )


QUIET = "Gates draw no noise; those of the released baseline do, of a learned width."
NOISY = "Gates draw noise in training alone; those of the released baseline in evaluation, too."
