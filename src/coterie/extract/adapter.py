"""One task as a plain PEFT LoRA, which PEFT, vLLM, SGLang and others load without coterie."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel
from peft.tuners.tuners_utils import check_target_module_exists
from safetensors.torch import load_file
from torch import Tensor, nn

from coterie.compatibility.servers.vllm import RANKS, TOWER_FLAG, get_rank_flag
from coterie.extract.fixed_task import (
    FixedTaskLora,
    describe_modules,
    get_adapter_config,
    make_fixed_task_loras,
)
from coterie.extract.merged import copy_without_mixtures
from coterie.extract.source import ExtractRequest
from coterie.extract.verify import Outputs, compute_largest_error, verify_probe, verify_weights
from coterie.io import save_tensors
from coterie.tuner.config import WEIGHTS, CoterieConfig

CONFIG = "adapter_config.json"
PREFIX = "base_model.model."
MULTIPLE = 8


def check(base_model: nn.Module, config: CoterieConfig) -> None:
    """Raise ValueError if trained weights are not low-rank, because a LoRA cannot hold them."""
    if saved := config.modules_to_save:
        raise ValueError(
            f"the adapter has modules_to_save={saved}, which are no LoRA, and vLLM refuses them in "
            "an adapter's folder; use format='merged'"
        )
    trained = [name for name, weight in base_model.named_parameters() if weight.requires_grad]
    if trained:
        raise ValueError(
            f"{len(trained)} of the host's own weights are trained too ({trained[0]}, ...), and an "
            "adapter cannot hold them: use format='merged', or freeze them if they never changed"
        )


def write(request: ExtractRequest, folder: Path) -> dict[str, Any]:
    """Write and verify the folder, and return the report; PEFT loads it for the probe."""
    model, adapter = request.model, request.adapter
    shares = make_fixed_task_loras(model, adapter, request.task)
    base_model, config = copy_without_mixtures(model, adapter), get_adapter_config(model, adapter)
    check(base_model, config)
    rank = save(base_model, shares, config, folder)
    report = verify_weights(verify(base_model, shares, folder), torch.float32)
    if request.probe is not None:
        fresh = copy_without_mixtures(model, adapter, runs=True)
        plain = PeftModel.from_pretrained(fresh, str(folder)).eval()
        report |= verify_probe(request, plain)
    report |= {"rank": rank, "vllm": make_vllm_flags(shares, rank)}
    return report | describe_modules(shares)


def save(
    base_model: nn.Module, shares: Sequence[FixedTaskLora], source: CoterieConfig, to: Path
) -> int:
    """Write the folder and return its rank; modules of lower rank are padded with zeros."""
    pairs = {share.name: share.concatenate() for share in shares}
    widest = max(down.shape[0] for down, _ in pairs.values())
    rank = max(MULTIPLE, -(-widest // MULTIPLE) * MULTIPLE)
    weights = {}
    for name, (down, up) in pairs.items():
        weights[f"{PREFIX}{name}.lora_A.weight"] = pad_rank(down, rank, axis=0)
        weights[f"{PREFIX}{name}.lora_B.weight"] = pad_rank(up, rank, axis=1)
    save_tensors(weights, to / WEIGHTS, metadata={"format": "pt"})
    kind = {"base_model_class": type(base_model).__name__,
            "parent_library": type(base_model).__module__}  # fmt: skip
    LoraConfig(
        r=rank, lora_alpha=rank, lora_dropout=0.0, bias="none", inference_mode=True,
        target_modules=make_target_modules(base_model, list(pairs)),
        task_type=source.task_type,
        base_model_name_or_path=source.base_model_name_or_path,
        revision=source.revision,
        auto_mapping=kind if source.task_type is None else None,
    ).save_pretrained(str(to))  # fmt: skip
    return rank


def pad_rank(factor: Tensor, rank: int, *, axis: int) -> Outputs:
    """Return `factor` in float32, padded with zeros to `rank` on one axis."""
    shape = list(factor.shape)
    shape[axis] = rank - shape[axis]
    return torch.cat([factor.float(), factor.new_zeros(shape).float()], axis).contiguous()


def make_target_modules(base_model: nn.Module, names: list[str]) -> list[str] | str:
    """Return full names, or one pattern where a name is also the end of another module's.

    PEFT matches a name in the list with the end of a module's name, too.
    """
    ends = tuple(f".{name}" for name in names)
    if any(name.endswith(ends) for name, _ in base_model.named_modules()):
        return "|".join(re.escape(name) for name in names)
    return names


def verify(base_model: nn.Module, shares: Sequence[FixedTaskLora], folder: Path) -> float:
    """Load the folder and return the largest error of a module's weight, by its largest entry.

    Raises RuntimeError if PEFT would load other modules than those of `shares`.
    """
    raw = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    config: Any = LoraConfig.from_pretrained(str(folder))
    if raw["r"] != raw["lora_alpha"] or raw["rank_pattern"] or raw["alpha_pattern"]:
        raise RuntimeError(f"{folder / CONFIG} has a scale other than 1: {raw}")
    wanted = {share.name for share in shares}
    names = (name for name, _ in base_model.named_modules() if name)
    found = {name for name in names if check_target_module_exists(config, name)}
    weights = load_file(str(folder / WEIGHTS))
    keys = {f"{PREFIX}{name}.lora_{half}.weight" for name in wanted for half in "AB"}
    if found != wanted or weights.keys() != keys:
        raise RuntimeError(
            f"{folder} names other modules than were cut: {sorted(found ^ wanted)[:3]}, "
            f"{sorted(weights.keys() ^ keys)[:3]}"
        )
    errors = []
    for share in shares:
        down, up = (weights[f"{PREFIX}{share.name}.lora_{half}.weight"].double() for half in "AB")
        errors.append(compute_largest_error(up @ down, share.compute_delta()))
    return max(errors)


def make_vllm_flags(shares: Sequence[FixedTaskLora], rank: int) -> str:
    """Return the flags with which vLLM loads the folder."""
    fitting = get_rank_flag(rank)
    if fitting is None:
        return f"none: rank {rank} is above the {RANKS[-1]} that vLLM allows"
    flags = f"--enable-lora --max-lora-rank {fitting}"
    if any(share.tower != "text" for share in shares):
        flags += f" {TOWER_FLAG}"
    return flags
