import pytest
import torch

from coterie.uni_moe_checkpoint.tuned import ExpertRenaming, TunedLoras


def test_a_lora_is_merged_with_its_scale() -> None:
    loras = TunedLoras(scales={"a": 2.0}, pairs={"a": {"A": "x", "B": "y"}})
    loras.files = {"x": torch.tensor([[1.0, 2]]), "y": torch.tensor([[3.0], [0]])}  # pyright: ignore
    # [[1, 1], [1, 1]] + 2 [[3], [0]] [[1, 2]] = [[1 + 6, 1 + 12], [1, 1]]
    assert loras.merge("a", torch.ones(2, 2)).tolist() == [[7, 13], [1, 1]]
    assert loras.merge("b", torch.ones(1, 1)).tolist() == [[1]]


def test_names_of_an_experts_file() -> None:
    # Third part: layer; last but one: projection; the number in the name is the local one.
    name = "model.layers.3.mlp.deepspeed_moe.experts.deepspeed_experts.0.up_proj_lora_A.weight"
    assert ExpertRenaming(5)([name]) == [name.replace("experts.0", "experts.5")]
    with pytest.raises(ValueError, match=r"of expert 5 is not model\.layers\.NUMBER"):
        ExpertRenaming(5)(["lm_head.weight"])
