"""Names in decoders that are mixtures already."""

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from coterie.families.mixture_decoder import MixtureDecoder
from tests.families.checks import by_role, known
from tests.tinies.base import TEXT

SIZES = {
    "num_experts": 4, "num_local_experts": 4, "n_routed_experts": 4, "moe_num_experts": 4,
    "num_experts_per_tok": 2, "moe_k": 2, "moe_intermediate_size": 16, "n_shared_experts": 1,
    "moe_num_shared_experts": 1, "shared_expert_intermediate_size": 32, "n_group": 1,
    "topk_group": 1, "first_k_dense_replace": 1, "moe_layer_start_index": 1,
}  # fmt: skip


@pytest.mark.parametrize("model_type", MixtureDecoder.model_types)
def test_every_linear_layer_but_routers_has_a_role(model_type: str) -> None:
    known_names = set(vars(AutoConfig.for_model(model_type)))
    sizes = {name: value for name, value in SIZES.items() if name in known_names}
    config = AutoConfig.for_model(model_type, vocab_size=64, head_dim=8, **TEXT, **sizes)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    found = by_role(model, known(model))
    assert len(found["text.attn"].blocks) == 2
    linears = {name for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    taken = {name for names in found.values() for name in names.linears}
    assert {name.rpartition(".")[2] for name in linears - taken} <= {
        "lm_head",
        "gate",
        "shared_expert_gate",
    }
