"""The systems of `experiments.habits` and `tagged`: of equal size, within 2.5 %."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Literal

from coterie import Lora, recipes
from coterie.balancing.upgrad import UPGrad
from coterie.experts.base import Experts
from coterie.experts.hydra_lora import HydraLora
from coterie.losses.mutual_information import MutualInformation
from coterie.mixture import Mixture
from coterie.models.loading import load
from coterie.recipe import Recipe
from coterie.routing.gates.base import Gate
from coterie.routing.gates.instance import InstanceGate
from coterie.routing.gates.task import TaskGate
from coterie.routing.gates.token import TokenGate
from coterie.routing.routers.base import Router
from coterie.routing.routers.rectified import Rectified
from coterie.routing.routers.softmax import Softmax
from coterie.study.cost import graft_last_stage

STEPS = 240
STAGES = (40, 120, 80)
"""Of Awaker's steps: the LoRA, the mixture, and the mixture with a frozen gate."""
LEARNING_RATE = 1e-3
SPREAD = 0.025
ALONE = "single_task"

# The last ten layers of the language model.
LAYER = r"layers\.2\d\."
LAYERS = r"model\.language_model\." + LAYER
AT = (LAYERS + r"self_attn\.(q|k|v|o)_proj", LAYERS + r"mlp\.(gate|up|down)_proj")


def make_systems(stages: tuple[int, int, int] = STAGES) -> Mapping[str, Recipe]:
    """Return name -> recipe; `check_sizes` verifies that their parameter counts agree.

    `stages` are the steps of Awaker's; the others' are a setting of the training.

    Ranks differ between attention and MLP where whole ranks would not give the same size. At
    equal weights of its experts, each mixture is a LoRA of the shared one's scale, 2.
    """
    shared = place(Lora(ranks=(11,), alpha=22.0), Lora(ranks=(10,), alpha=20.0))
    return {
        ALONE: replace(recipes.single_task(), mixtures=shared(None, None)),
        "shared_lora": replace(recipes.shared_lora(), mixtures=shared(None, None)),
        "upgrad": replace(
            recipes.shared_lora(),
            name="shared_lora_upgrad",
            mixtures=shared(None, None),
            balancing=UPGrad(),
        ),
        "soft_lora": replace(
            recipes.soft_lora(),
            mixtures=place(
                Lora(ranks=(3, 2, 2, 2), scale=8.0), Lora(ranks=(2, 2, 2, 2), scale=8.0)
            )(TokenGate(bias=False), Softmax()),
        ),
        "moelora": replace(
            recipes.moelora(),
            mixtures=place(Lora(ranks=(1,) * 11, scale=22.0), Lora(ranks=(1,) * 10, scale=20.0))(
                TaskGate(per_token=False, init_std=1.0), Softmax()
            ),
        ),
        "hydra_lora": replace(
            recipes.hydra_lora(),
            mixtures=place(
                HydraLora(count=3, rank=5, alpha=10.0), HydraLora(count=3, rank=4, alpha=8.0)
            )(TokenGate(bias=False), Softmax()),
        ),
        "rode": replace(
            recipes.rode(),
            mixtures=place(
                Lora(ranks=(1, 2, 2, 4), scale=2.0), Lora(ranks=(1, 2, 2, 3), scale=2.0)
            )(TokenGate(bias=False), Rectified(bias=1.0)),
        ),
        "dual_lora": recipes.dual_lora(rank=7, scale=2.0, dropout=0.0, at=AT),
        **make_awakers(stages),
    }


def make_awakers(stages: tuple[int, int, int]) -> Mapping[str, Recipe]:
    """Return Awaker, and the recipes that differ from it, or from that of another span, in one."""
    first, *later = stages
    one, two = (0, sum(stages), 0), (first, sum(later), 0)
    make = partial(make_awaker, stages=stages)
    text = partial(make_awaker, span="text")
    informed = {"losses": (MutualInformation(weight=1.0),)}
    return {
        "awaker": make(),
        "awaker, whole prompt": make(span="prompt"),
        "awaker, image": make(span="media"),
        "awaker, text": make(span="text"),
        "awaker, text, one stage": text(stages=one),
        "awaker, text, two stages": text(stages=two),
        "awaker, text, tied in none": make(span="text", tie="layer", rank=8),
        "awaker, text, tied in all": make(span="text", tie="model", rank=11),
        "awaker, text, information": replace(text(stages=stages), **informed),
        "awaker, text, information, one stage": replace(text(stages=one), **informed),
    }


def place(attention: Experts, mlp: Experts) -> Callable[..., tuple[Mixture, ...]]:
    """Return a function of gate and router -> the mixtures of both kinds of layers."""

    def make(gate: Gate | None, router: Router | None) -> tuple[Mixture, ...]:
        routed = {} if router is None else {"router": router}
        pairs = zip(AT, (attention, mlp), strict=True)
        return tuple(Mixture(at=at, experts=each, gate=gate, **routed) for at, each in pairs)

    return make


def make_awaker(
    *,
    stages: tuple[int, ...] = STAGES,
    span: Literal["instruction", "prompt", "media", "text"] = "instruction",
    tie: Literal["layer", "block", "model"] = "block",
    rank: int = 10,
) -> Recipe:
    """Return Awaker with other stages, another span of its gate, or another gate per layer.

    Without a first stage the experts start at random, as those of other mixtures do. `rank` is of
    the LoRA at query, key and value, which has no gate; it evens out the size of the gates.
    """
    recipe = recipes.awaker(rank=2, alpha=4.0, experts=4, dropout=0.0)
    plain, *routed = (
        replace(each, at=str(each.at).replace(r"layers\.\d+\.", LAYER)) for each in recipe.mixtures
    )
    plain = replace(plain, experts=Lora(ranks=(rank,), alpha=2.0 * rank))
    trained = [
        replace(stage, steps=steps, epochs=None, batch_size=None, learning_rate=LEARNING_RATE)
        for stage, steps in zip(recipe.stages, stages, strict=True)
        if steps
    ]
    if not stages[0]:
        trained[0] = replace(trained[0], init="continue")
    return replace(
        recipe,
        mixtures=(plain, *(_with_gate(each, span, tie) for each in routed)),
        stages=tuple(trained),
    )


def _with_gate(
    mixture: Mixture,
    span: Literal["instruction", "prompt", "media", "text"],
    tie: Literal["layer", "block", "model"],
) -> Mixture:
    gate = mixture.gate
    assert isinstance(gate, InstanceGate)
    # The recipe ties the layers of the MLP, and has one layer in attention.
    return replace(mixture, gate=replace(gate, span=span, tie=gate.tie if tie == "block" else tie))


def check_sizes(tasks: tuple[str, ...]) -> dict[str, int]:
    """Return the sizes of all systems. SystemExit if they are not alike, within SPREAD."""
    sizes = {
        name: graft_last_stage(load("embedded").model, recipe, tasks)[1]
        for name, recipe in make_systems().items()
    }
    if max(sizes.values()) > (1 + SPREAD) * min(sizes.values()):
        raise SystemExit(f"the systems differ in size by more than {SPREAD:.0%}: {sizes}")
    return sizes
