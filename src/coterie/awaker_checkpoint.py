"""The published Awaker2.5-VL checkpoint as an adapter on Qwen2-VL's own weights.

`MetabrainAGI/Awaker2.5-VL` on the hub is one pickled file of 22 GB, pytorch_model.bin: the weights
of Qwen2-VL-7B-Instruct and, beside them, LoRAs, experts and gates under the names of a patched
PEFT 0.6. The names here are those of its code; the file itself could not be opened by the authors
of coterie, so that the first conversion of it is the reader's.
"""

import re
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import torch
from peft.utils import get_peft_model_state_dict
from safetensors import safe_open
from torch import Tensor
from transformers import AutoConfig, AutoModelForImageTextToText

from coterie import io
from coterie.graft import graft
from coterie.published_weights import open_pickled_tensors, write_safetensors
from coterie.recipes.awaker import awaker
from coterie.tuner.config import WEIGHTS

PREFIX = "base_model.model."
CHECKPOINT = "pytorch_model.bin"
LAST = "g"
"""The always-on expert's number; it follows the routed ones here, as in the released code."""


class Geometry(NamedTuple):
    """What the shapes in a checkpoint say of its experts."""

    rank: int
    experts: int


def convert_awaker(checkpoint: Path, *, base: Path, to: Path, scale: float = 2.0) -> Path:
    """Write the experts and gates of a published checkpoint as a PEFT adapter, and return `to`.

    `peft.PeftModel.from_pretrained(base_model, to)` loads it, after `import coterie`. Tensors are
    read from the disk one by one, and written as they are read: memory is that of one module.

    Args:
        checkpoint: pytorch_model.bin, or its folder. Only tensors are unpickled.
        base: the folder of Qwen2-VL-7B-Instruct. Its weights must be those in the checkpoint,
            which were frozen in training.
        to: a new folder.
        scale: factor of each LoRA, alpha / rank; the README's is 512 / 256.

    Raises ValueError for a file that holds more than tensors, for names that are missing or
    unexpected (all are counted, and the first named), and for base weights that differ.
    """
    if to.exists():
        raise ValueError(f"to={str(to)!r} is there already: give a new folder")
    tensors = open_pickled_tensors(checkpoint / CHECKPOINT if checkpoint.is_dir() else checkpoint)
    geometry = _read_geometry(tensors)
    model = _build_on_meta(base, geometry, scale)
    wanted = get_peft_model_state_dict(model, save_embedding_layers=False)
    sources = {name: _list_sources(name, geometry) for name in wanted}
    with ExitStack() as files:
        own = _open_base(base, files)
        _check_names(tensors, {*(name for each in sources.values() for name in each), *own})
        _check_base(tensors, own)
    with io.make_scratch_dir(to) as scratch:
        model.peft_config["default"].base_model_name_or_path = str(base)
        model.peft_config["default"].inference_mode = True
        model.peft_config["default"].save_pretrained(str(scratch))
        layout = {
            name: (tensors[sources[name][0]].dtype, tuple(each.shape))
            for name, each in wanted.items()
        }
        made = ((name, _convert(name, [tensors[key] for key in sources[name]])) for name in wanted)
        write_safetensors(scratch / WEIGHTS, layout, made)
        io.commit(scratch, to)
    return to


def _read_geometry(tensors: Mapping[str, Tensor]) -> Geometry:
    name = re.compile(r"\.layers\.0\.self_attn\.o_proj\.lora_moe_A\.(\d+)\.weight$")
    found = [(int(match[1]), each) for key, each in tensors.items() if (match := name.search(key))]
    if not found:
        raise ValueError(
            "the checkpoint has no ...layers.0.self_attn.o_proj.lora_moe_A.0.weight: it is none of "
            "Awaker2.5-VL"
        )
    return Geometry(rank=found[0][1].shape[0], experts=len(found))


def _build_on_meta(base: Path, geometry: Geometry, scale: float) -> Any:
    """Return the grafted model without memory for its weights."""
    config = AutoConfig.from_pretrained(base, trust_remote_code=False)
    recipe = awaker(
        rank=geometry.rank, alpha=scale * geometry.rank, experts=geometry.experts, released=True
    )
    with torch.device("meta"):
        return graft(
            AutoModelForImageTextToText.from_config(config, trust_remote_code=False),
            recipe.mixtures,
        )


def _list_sources(name: str, geometry: Geometry) -> list[str]:
    """Return the checkpoint's tensors of which a tensor of the adapter is made, in order."""
    place, _, part = name.replace(".model.language_model.", ".model.").rpartition(".coterie_")
    if part == "gate.weight":
        return [f"{place}.w_gate.weight", f"{place}.ln.weight"]
    if part == "gate.bias":
        return [f"{place}.w_gate.bias"]
    half = {"experts.down": "A", "experts.up": "B"}[part]
    if place.endswith(("q_proj", "k_proj", "v_proj")):
        return [f"{place}.lora_{half}.default.weight"]
    experts = [*map(str, range(geometry.experts)), LAST]
    return [f"{place}.lora_moe_{half}.{expert}.weight" for expert in experts]


def _convert(name: str, sources: list[Tensor]) -> Tensor:
    """Stack experts along the rank; multiply the norm's weight, which all have, into the gate's."""
    if name.endswith("gate.weight"):
        gate, norm = sources
        return (gate.float() * norm.float()).to(gate.dtype)
    if name.endswith("gate.bias"):
        return sources[0]
    return torch.cat([each.t() if name.endswith(".up") else each for each in sources])


def _open_base(base: Path, files: ExitStack) -> dict[str, Any]:
    """Return the base model's tensors by their names in the checkpoint, still on the disk."""
    found = {}
    for path in sorted(base.glob("*.safetensors")):
        opened = files.enter_context(safe_open(path, framework="pt"))
        for name in opened.keys():
            plain = name.replace("model.language_model.", "model.").replace(
                "model.visual.", "visual."
            )
            found[PREFIX + plain] = (opened, name)
    if not found:
        raise ValueError(
            f"base={str(base)!r} has no *.safetensors: give Qwen2-VL-7B-Instruct's folder"
        )
    return found


def _check_names(tensors: Mapping[str, Tensor], expected: set[str]) -> None:
    """Raise ValueError, with numbers and the first three, for missing and unexpected names."""
    missing, unexpected = sorted(expected - tensors.keys()), sorted(tensors.keys() - expected)
    # A tied output matrix is in only one of the files.
    missing, unexpected = (
        [name for name in names if name != f"{PREFIX}lm_head.weight"]
        for names in (missing, unexpected)
    )
    if missing or unexpected:
        parts = [
            f"{len(names)} {what} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
            for what, names in (("missing", missing), ("unexpected", unexpected))
            if names
        ]
        raise ValueError(f"the checkpoint's names do not fit: {'; '.join(parts)}")


def _check_base(tensors: Mapping[str, Tensor], own: Mapping[str, Any]) -> None:
    """Raise ValueError if a weight of the base model is not that in the checkpoint."""
    for name, (file, key) in own.items():
        if name in tensors and not torch.equal(tensors[name], file.get_tensor(key)):
            raise ValueError(
                f"{key} of the base model is not the checkpoint's: give the Qwen2-VL-7B-Instruct "
                "that it was trained on, in the dtype of the checkpoint"
            )
