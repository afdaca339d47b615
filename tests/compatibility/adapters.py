"""LoRA folders written by hand, of a few tensors, and the tiny Llama they are for."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from coterie.compatibility.adapter_folder import AdapterFolder
from tests.tinies.base import tokenizer
from tests.tiny import TINY

PREFIX = "base_model.model."
Q = "model.layers.0.self_attn.q_proj"
UP = "model.layers.1.mlp.up_proj"
WIDTHS = {"q_proj": (32, 32), "up_proj": (32, 64), "lm_head": (32, 276)}
"""Last part of a module's name -> features in and out of tests.tinies.text.llama."""


def write_host(folder: Path, family: str = "llama") -> Path:
    """A tiny model's folder."""
    TINY[family]().model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def lora(module: str, rank: int = 4) -> dict[str, torch.Tensor]:
    """The tensors of one module, by its name in the base model."""
    width, out = WIDTHS[module.rsplit(".", 1)[-1]]
    return {
        f"{PREFIX}{module}.lora_A.weight": torch.ones(rank, width),
        f"{PREFIX}{module}.lora_B.weight": torch.ones(out, rank),
    }


def write_adapter(folder: Path, weights: dict[str, torch.Tensor], **config: Any) -> Path:
    """A LoRA of rank 4 and alpha 8 at the first layer's q_proj and the second's up_proj."""
    folder.mkdir(parents=True)
    fields = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": [Q, UP]} | config
    (folder / "adapter_config.json").write_text(json.dumps(fields))
    save_file(weights, folder / "adapter_model.safetensors")
    return folder


def read_adapter(folder: Path, weights: dict[str, torch.Tensor], **config: Any) -> AdapterFolder:
    """The same, read again."""
    return AdapterFolder.read(write_adapter(folder, weights, **config))


BOTH = lora(Q) | lora(UP)
