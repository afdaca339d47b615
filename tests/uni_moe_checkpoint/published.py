"""Published checkpoints at a tiny width: the same files and names, random tensors."""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from tests.plain_dcmoe import PlainBlock

WIDTH, HIDDEN, VOCABULARY, RANK, SCALE = 16, 24, 20, 4, 2.0
SHAPES = {"gate_proj": (HIDDEN, WIDTH), "up_proj": (HIDDEN, WIDTH), "down_proj": (WIDTH, HIDDEN)}
SETTINGS = {
    "model_type": "llava", "hidden_size": WIDTH, "intermediate_size": HIDDEN,
    "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5, "max_position_embeddings": 64, "tie_word_embeddings": False,
}  # fmt: skip
IDS = torch.randint(0, VOCABULARY, (2, 7), generator=torch.Generator().manual_seed(1))

Tensors = dict[str, Tensor]


def random(*shape: int) -> Tensor:
    return torch.randn(*shape) * 0.4


def lora(module: str, weight: Tensor, *, default: str = "") -> Tensors:
    """A LoRA under PEFT's names."""
    out, width = weight.shape
    return {
        f"{module}.lora_A{default}.weight": random(RANK, width),
        f"{module}.lora_B{default}.weight": random(out, RANK),
    }


def language_model() -> LlamaForCausalLM:
    config = LlamaConfig(**{**SETTINGS, "model_type": "llama"}, vocab_size=VOCABULARY)
    model = LlamaForCausalLM(config)
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.3)
    return model


def dense_weights(*, moe_layers: tuple[int, ...]) -> Tensors:
    """A language model's tensors without the MLPs of some layers."""
    left = tuple(f"model.layers.{layer}.mlp." for layer in moe_layers)
    found = language_model().state_dict()
    return {name: each for name, each in found.items() if not name.startswith(left)}


def expert_weights(prefix: str, hidden: int = HIDDEN) -> Tensors:
    scale = {"gate_proj": (hidden, WIDTH), "up_proj": (hidden, WIDTH), "down_proj": (WIDTH, hidden)}
    return {f"{prefix}.{name}.weight": random(*shape) for name, shape in scale.items()}


def save_tuned(folder: Path, adapter: Tensors, side: dict[str, Tensors]) -> None:
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"r": RANK, "lora_alpha": RANK * SCALE}))
    renamed = {f"base_model.model.{name}": each for name, each in adapter.items()}
    torch.save(renamed, folder / "adapter_model.bin")
    for name, tensors in side.items():
        torch.save(tensors, folder / name)


def four(folder: Path) -> Tensors:
    """4 experts in the even layer of two, a LoRA on everything, also on the router; all tensors.

    Two shards, as the published base model has several.
    """
    base = dense_weights(moe_layers=(0,)) | {"model.layers.0.mlp.gate.weight": random(4, WIDTH)}
    for expert in range(4):
        base |= expert_weights(f"model.layers.0.mlp.experts.{expert}")
    extra = {"model.vision_tower.x": random(2), "model.mm_projector.0.weight": random(2, 2)}
    extra["model.layers.0.self_attn.rotary_emb.inv_freq"] = random(2)
    modules = [n.removesuffix(".weight") for n in base if "_proj" in n or "mlp.gate." in n]
    adapter = {k: v for m in modules for k, v in lora(m, base[f"{m}.weight"]).items()}
    gate = "model.layers.0.mlp.gate"
    trained = {f"{gate}.weight": random(4, WIDTH)}
    halves = {f"{gate}.lora_{h}.default.weight": adapter[f"{gate}.lora_{h}.weight"] for h in "AB"}
    aligner = {"model.mm_audio_aligner.query_tokens": random(1, 2, 3)}
    (folder / "base").mkdir()
    (folder / "base" / "config.json").write_text(json.dumps(SETTINGS))
    names = sorted(base | extra)
    for number, part in enumerate((names[::2], names[1::2]), 1):
        shard = {name: (base | extra)[name] for name in part}
        torch.save(shard, folder / "base" / f"pytorch_model-0000{number}-of-00002.bin")
    side = {
        "non_lora_trainables.bin": {f"base_model.model.{n}": each for n, each in trained.items()},
        "mm_audio_aligner.bin": aligner,
        "mlp_gates.bin": trained | halves,
        "training_args.bin": {"not": torch.ones(1)},
    }
    save_tuned(folder / "tuned", adapter, side)
    return base | trained | adapter | aligner


def eight(folder: Path) -> Tensors:
    """8 experts in both layers on the base model of 4; LoRAs of experts in files of their own."""
    place = "model.layers.{}.mlp.deepspeed_moe.experts.deepspeed_experts.{}.{}_proj"
    dense = dense_weights(moe_layers=(0, 1))
    unused = {f"model.layers.{layer}.mlp.gate.weight": random(4, WIDTH) for layer in range(2)}
    for expert in range(4):
        unused |= expert_weights(f"model.layers.0.mlp.experts.{expert}")
    (folder / "base").mkdir()
    (folder / "experts").mkdir()
    (folder / "base" / "config.json").write_text(json.dumps(SETTINGS))
    torch.save(dense | unused, folder / "base" / "pytorch_model.bin")
    adapter: Tensors = {}
    for module in (n.removesuffix(".weight") for n in dense if "self_attn" in n):
        adapter |= lora(module, dense[f"{module}.weight"])
    gates = {
        f"model.layers.{layer}.mlp.deepspeed_moe.gate.wg.weight": random(8, WIDTH)
        for layer in range(2)
    }
    save_tuned(folder / "tuned", adapter, {"mlp_gates.bin": gates})
    (folder / "tuned" / "8config.json").write_text(
        json.dumps({"lora_r": RANK, "lora_alpha": RANK * SCALE, "num_experts_per_tok": 2})
    )
    stems = ("audiocap", "basev", "base", "base1", "base4", "base7")
    files = {
        stem: {k: v for i in range(2) for k, v in expert_weights(f"model.layers.{i}.mlp").items()}
        for stem in stems
    }
    for stem, tensors in files.items():
        torch.save(tensors, folder / "experts" / f"mlp_{stem}.bin")
    found = dense | gates | adapter
    for expert, stem in enumerate((*stems, "base", "base7")):
        own: Tensors = {}
        for layer in range(2):
            for name, (out, width) in SHAPES.items():
                own_place = place.format(layer, 0, name.removesuffix("_proj"))
                own |= {
                    f"{own_place}_lora_A.weight": random(RANK, width),
                    f"{own_place}_lora_B.weight": random(out, RANK),
                }
        torch.save(own, folder / "tuned" / f"{expert}_mlp_experts.bin")
        found |= {n.replace("experts.0.", f"experts.{expert}."): each for n, each in own.items()}
        for name, each in files[stem].items():
            _, _, layer, _, projection, _ = name.split(".")
            target = place.format(layer, expert, projection.removesuffix("_proj"))
            found[f"{target}.weight"] = each
    return found


def omni(folder: Path) -> Tensors:
    """2.0-Omni: 2 routed, 1 null and 2 shared experts of an eighth of the width in both layers."""
    tensors = dense_weights(moe_layers=(0, 1))
    for layer in range(2):
        for name in ("q", "k", "v"):
            tensors[f"model.layers.{layer}.self_attn.{name}_proj.bias"] = random(WIDTH)
        mlp = f"model.layers.{layer}.mlp"
        tensors[f"{mlp}.gate.weight"] = random(5, WIDTH)
        moe = f"{mlp}.dynamic_real_moe.deepspeed_moe.experts.deepspeed_experts"
        for expert in range(2):
            tensors |= expert_weights(f"{moe}.{expert}")
            tensors |= expert_weights(f"{mlp}.fixed_real_moe.{expert}", HIDDEN // 8)
    (folder / "base").mkdir()
    settings = SETTINGS | {"mlp_dynamic_top_p": 0.7, "rope_theta": 10_000.0}
    (folder / "base" / "config.json").write_text(json.dumps(settings))
    save_file(tensors | {"visual.blocks.0.x": random(2)}, folder / "base" / "model.safetensors")
    return tensors


def merge(tensors: Tensors, module: str, *, with_lora: bool = True) -> Tensor:
    """W + scale B A in float64, under both ways to write LoRA's names."""
    weight = tensors[f"{module}.weight"].double()
    for form in (f"{module}.lora_{{}}.weight", f"{module}_lora_{{}}.weight"):
        if with_lora and form.format("A") in tensors:
            down, up = (tensors[form.format(half)].double() for half in "AB")
            return weight + SCALE * up @ down
    return weight


class PlainTopTwo(nn.Module):
    """Uni-MoE's released layer: a loop over tokens, top 2 of the logits, a softmax over the two."""

    def __init__(self, experts: list[list[Tensor]], gate: Tensor) -> None:
        super().__init__()
        self.experts, self.gate = experts, gate

    def forward(self, x: Tensor) -> Tensor:
        rows = []
        for token in x.reshape(-1, x.shape[-1]):
            logits = self.gate @ token
            best = sorted(range(len(logits)), key=lambda e: -logits[e].item())[:2]
            total = sum(logits[e].exp() for e in best)
            row = torch.zeros_like(token)
            for e in best:
                gate, up, down = self.experts[e]
                row = row + logits[e].exp() / total * (down @ (F.silu(gate @ token) * (up @ token)))
            rows.append(row)
        return torch.stack(rows).view_as(x)


class PlainTopP(nn.Module):
    """DCMoE's block as a module."""

    def __init__(self, block: PlainBlock) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        return self.block.run(x.reshape(-1, x.shape[-1])).view_as(x)
