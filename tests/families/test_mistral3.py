"""Names of Mistral 3 and of LLaVA with Pixtral, whose tower packs all patches into one row."""

import pytest

import coterie
from coterie import Mixture, TaskGate, TopK
from coterie.families.mistral3 import Mistral3
from tests.families import test_llava
from tests.families.checks import check_names, golden, known
from tests.tiny import TINY
from tests.tuner.checks import grafted, logits

VISION = "model.vision_tower.transformer.layers.{}."
TOWER = {
    "vision.attn": golden(VISION + "attention", "q_proj", "k_proj", "v_proj", "o_proj"),
    "vision.mlp": golden(VISION + "feed_forward", "gate_proj", "up_proj", "down_proj"),
}
GOLDEN = {
    "llava_pixtral": {**test_llava.GOLDEN, **TOWER},
    "mistral3": {
        **test_llava.GOLDEN,
        **TOWER,
        "connector": golden(
            "model.multi_modal_projector",
            *("linear_1", "linear_2", "patch_merger.merging_layer"),
            count=1,
        ),
    },
}


@pytest.mark.parametrize("family", GOLDEN)
def test_names(family: str) -> None:
    check_names(TINY[family]().model, GOLDEN[family], {"lm_head"})


def test_the_tape_has_a_decision_for_each_patch() -> None:
    tiny = TINY["mistral3"]()
    model = grafted(tiny, Mixture(at="vision.mlp", gate=TaskGate(), router=TopK(k=1)))
    with coterie.observe(model) as tape:
        logits(model, tiny.batch)
    routing = tape["model.vision_tower.transformer.layers.0.feed_forward.up_proj"]
    # 4 x 8 patches of the first sample; 8 x 8 and 4 x 4 of the second.
    assert routing.task.tolist() == [0] * 32 + [1] * 80


def test_towers_and_packages() -> None:
    assert Mistral3().get_tower("model.multi_modal_projector.patch_merger.merging_layer") == (
        "connector"
    )
    assert known(TINY["mistral3"]().model).packages == {"mistral3": ("torchvision",)}
