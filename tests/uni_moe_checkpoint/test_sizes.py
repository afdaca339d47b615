"""The sizes of published files, which say what is in them, against models of the same size."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

import coterie
from coterie.recipes import uni_moe

WIDTH, RANK = 4096, 8


def count_adapter(**fields) -> dict[str, int]:
    """Parameters of the experts' LoRAs, the other LoRAs and the routers of Vicuna-7B's Uni-MoE."""
    config = LlamaConfig(hidden_size=WIDTH, intermediate_size=11008, num_hidden_layers=32)
    with torch.device("meta"):
        model = coterie.graft(LlamaForCausalLM(config), uni_moe(released=True, **fields).mixtures)
    found = dict.fromkeys(("experts", "plain", "routers"), 0)
    for name, weight in model.named_parameters():
        if "coterie_" in name:
            is_expert = weight.ndim == 3  # stacked
            kind = "routers" if "coterie_gate" in name else "experts" if is_expert else "plain"
            found[kind] += weight.numel()
    return found


def test_adapter_of_the_audio_model_has_loras_on_its_16_routers() -> None:
    found = count_adapter(layers="even")
    # 32 layers x 4 x 8 x (4096 + 4096); 16 dense and 16 x 4 experts' MLPs, 3 x 8 x (4096 + 11008).
    assert found["plain"] == 8_388_608 + 16 * 362_496
    assert found["experts"] == 16 * 4 * 362_496
    routers = 16 * RANK * (WIDTH + 4)
    total = found["plain"] + found["experts"] + routers
    assert total / 1e6 == pytest.approx(37.913, abs=5e-4)
    assert total * 4 / 1e6 == pytest.approx(151.65, abs=5e-3)  # float32; 152 MB are listed
    # mlp_gates.bin: 3.16 MB are listed, and 1.05 MB would be the routers alone.
    assert found["routers"] * 4 / 1e6 == pytest.approx(1.05, abs=5e-3)
    assert (found["routers"] + routers) * 4 / 1e6 == pytest.approx(3.148, abs=5e-4)


def test_a_file_of_one_of_8_experts_has_loras_alone() -> None:
    found = count_adapter(experts=8)
    # bfloat16; 23,268,481 bytes are listed. 32 x 362,496 numbers of 2 bytes: 23,199,744.
    assert found["experts"] // 8 * 2 == 23_199_744
