import pytest

from coterie.uni_moe_checkpoint.layouts import EIGHT, FOUR, OMNI, detect_layout

MLP = "model.layers.{}.mlp."


def test_layouts_are_detected_by_their_names() -> None:
    moe = "dynamic_real_moe.deepspeed_moe.experts.deepspeed_experts.0.up_proj.weight"
    assert detect_layout([MLP.format(0) + moe], has_expert_files=False) is OMNI
    names = [MLP.format(2) + "experts.1.up_proj.weight", MLP.format(4) + "gate.weight"]
    assert detect_layout(names, has_expert_files=False) is FOUR
    assert detect_layout(names, has_expert_files=True) is EIGHT
    with pytest.raises(ValueError, match="no published Uni-MoE base model"):
        detect_layout([MLP.format(0) + "up_proj.weight"], has_expert_files=False)
    # A layer has experts if its router or any of them is there; numbers start at 0.
    assert FOUR.find_layers(names) == [2, 4] and FOUR.count_experts(names, "routed") == 2
    assert FOUR.count_experts(names, "shared") == 0
    dense = [MLP.format(0) + "gate_proj.weight"]
    assert FOUR.find_layers(dense) == []
