import pytest
import torch
from torch import Tensor, nn
from transformers import (
    CLIPVisionConfig,
    Dinov2Config,
    Gemma3nTextConfig,
    LlamaConfig,
    SiglipVisionConfig,
    ViTConfig,
)
from transformers.activations import ACT2FN
from transformers.models.clip.modeling_clip import CLIPMLP
from transformers.models.dinov2.modeling_dinov2 import Dinov2MLP, Dinov2SwiGLUFFN
from transformers.models.gemma3n.modeling_gemma3n import Gemma3nTextMLP
from transformers.models.llama.modeling_llama import LlamaMLP
from transformers.models.siglip.modeling_siglip import SiglipMLP
from transformers.models.vit.modeling_vit import ViTMLP

from coterie.experts.mlp_structure import MLPStructure, run_all, run_assigned

SIZES = {"hidden_size": 8, "intermediate_size": 12, "num_attention_heads": 2}


class Plain(nn.Module):
    def __init__(self, activation: nn.Module, extra: nn.Module | None = None) -> None:
        super().__init__()
        self.linear_fc1, self.linear_fc2 = nn.Linear(4, 6), nn.Linear(6, 4)
        self.act = activation
        if extra is not None:
            self.extra = extra

    def forward(self, x: Tensor) -> Tensor:
        return self.linear_fc2(self.act(self.linear_fc1(x)))


def test_gated() -> None:
    for host in (LlamaMLP(LlamaConfig(**SIZES)), Dinov2SwiGLUFFN(Dinov2Config(hidden_size=8))):
        assert MLPStructure.detect(host) == MLPStructure(
            maps=("gate_proj", "up_proj", "down_proj"), activation="act_fn"
        )


@pytest.mark.parametrize(
    "host",
    [
        ViTMLP(ViTConfig(**SIZES)),
        CLIPMLP(CLIPVisionConfig(**SIZES)),
        SiglipMLP(SiglipVisionConfig(**SIZES)),
        Dinov2MLP(Dinov2Config(hidden_size=8, mlp_ratio=2)),
    ],
    ids=lambda host: type(host).__name__,
)
def test_plain(host: nn.Module) -> None:
    found = MLPStructure.detect(host)
    assert found == MLPStructure(maps=("fc1", "fc2"), activation="activation_fn")
    x = torch.randn(3, 8)
    assert torch.equal(found.run(host, x), host(x))


def test_parts_that_do_nothing_are_passed_over() -> None:
    assert MLPStructure.detect(Plain(nn.GELU(), nn.Dropout(0.0))) is not None
    assert MLPStructure.detect(Plain(nn.GELU(), nn.Identity())) is not None
    assert MLPStructure.detect(Plain(nn.GELU(), nn.Dropout(0.1))) is None


def test_unknown() -> None:
    assert MLPStructure.detect(nn.Linear(2, 2)) is None
    assert MLPStructure.detect(Plain(nn.Softmax(-1))) is None
    assert MLPStructure.detect(Plain(nn.PReLU())) is None
    assert MLPStructure.detect(Plain(nn.GELU(), nn.LayerNorm(4))) is None


def test_names_alone_do_not_convince() -> None:
    sizes = {**SIZES, "num_hidden_layers": 2, "activation_sparsity_pattern": [0.9, 0.0]}
    config = Gemma3nTextConfig(**{**sizes, "intermediate_size": [12, 12]})
    assert MLPStructure.detect(Gemma3nTextMLP(config, 0)) is None
    assert MLPStructure.detect(Gemma3nTextMLP(config, 1)) is not None


def test_without_data_the_names_must_do() -> None:
    with torch.device("meta"):
        assert MLPStructure.detect(Plain(ACT2FN["quick_gelu"])) is not None


def test_calls_by_hand() -> None:
    host = nn.Linear(1, 1)
    stacks = {"weight": torch.tensor([[[2.0]], [[5.0]]]), "bias": torch.tensor([[1.0], [0.0]])}
    x = torch.tensor([[3.0], [4.0]])
    gates = torch.tensor([[0.5, 1.0], [0.0, 0.1]])
    # 0.5 (2*3 + 1) + 1 (5*3) = 18.5 and 0.1 (5*4) = 2
    expected = torch.tensor([[18.5], [2.0]])
    torch.testing.assert_close(run_assigned(host, x, gates, stacks), expected)
    torch.testing.assert_close(run_all(host, x, gates, stacks), expected)


def test_refuses_modules_that_merge_tokens() -> None:
    host = nn.Sequential(nn.Linear(2, 2), nn.Flatten(0), nn.Unflatten(0, (-1, 4)))
    stacks = {name: p.detach()[None] for name, p in host.named_parameters()}
    with pytest.raises(ValueError, match="4 tokens into"):
        run_assigned(host, torch.ones(4, 2), torch.ones(4, 1), stacks)
