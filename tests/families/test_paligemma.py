"""Names and rows of PaliGemma."""

from coterie.families.paligemma import PaliGemma
from tests.families import test_llava
from tests.families.checks import check_names, check_rows, golden
from tests.tiny import TINY

GOLDEN = {
    **test_llava.GOLDEN,
    "connector": golden("model.multi_modal_projector", "linear", count=1),
}


def test_names() -> None:
    check_names(TINY["paligemma"]().model, GOLDEN, {"lm_head"})


def test_rows() -> None:
    names = ["model.vision_tower.encoder.layers.0.self_attn", "model.multi_modal_projector"]
    check_rows(TINY["paligemma"](), names, [slice(0, 1), slice(1, 3)])


def test_towers() -> None:
    assert PaliGemma().get_tower("model.multi_modal_projector.linear") == "connector"
