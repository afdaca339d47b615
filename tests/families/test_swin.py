"""Names and rows of Swin, whose attention sees windows."""

from coterie.families.swin import Swin
from tests.families.checks import Names, by_role, check_rows, known
from tests.tiny import TINY

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
BLOCK = "swin.encoder.layers.{}.blocks.{}."


def expected(block: str, *linears: str) -> Names:
    """Two blocks in the first stage, one in the second."""
    blocks = [BLOCK.format(stage, number) + block for stage, number in ((0, 0), (0, 1), (1, 0))]
    return Names(blocks, sorted(f"{name}.{linear}" for name in blocks for linear in linears))


def test_names() -> None:
    model = TINY["swin"]().model
    found = by_role(model, known(model))
    assert found == {
        "vision.attn": expected("attention", *ATTENTION),
        "vision.mlp": expected("mlp", "fc1", "fc2"),
    }


def test_rows() -> None:
    names = ["swin.encoder.layers.0.blocks.0.attention", "swin.encoder.layers.1.blocks.0.mlp"]
    check_rows(TINY["swin"](), names, [slice(0, 1), slice(1, 2)])


def test_tower() -> None:
    assert Swin().get_tower("swin.layernorm") == "vision"
