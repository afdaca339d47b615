"""`convert_uni_moe`: a published checkpoint to a language model's folder and an adapter's."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
from peft.utils import get_peft_model_state_dict
from torch import Tensor
from transformers import AutoModelForCausalLM, PretrainedConfig

from coterie import io
from coterie.graft import graft
from coterie.published_weights import write_safetensors
from coterie.tuner.config import WEIGHTS
from coterie.uni_moe_checkpoint.checkpoint import Checkpoint
from coterie.uni_moe_checkpoint.contents import Contents, PlannedTensor

BASE, ADAPTER, CONNECTORS, REPORT = "base", "adapter", "connectors.safetensors", "report.json"


@dataclass(frozen=True, kw_only=True)
class ConversionReport:
    """What a conversion wrote, and what it left.

    Attributes:
        layout: the kind of checkpoint.
        layers: those that have experts.
        router: whose weights the routers have; "as_trained" and "as_run" differ if LoRAs of
            routers were found.
        router_loras: the number of these.
        base, adapter: the folders; `peft.PeftModel.from_pretrained(base_model, adapter)` loads
            the second onto the first.
        connectors: names of the tensors in connectors.safetensors.
        left_out: names of tensors that are in no file here, such as those of encoders.
    """

    layout: str
    layers: tuple[int, ...]
    router: str
    router_loras: int
    base: str
    adapter: str
    connectors: tuple[str, ...]
    left_out: tuple[str, ...]


def convert_uni_moe(
    base: Path,
    *,
    to: Path,
    tuned: Path | None = None,
    experts: Path | None = None,
    router: Literal["as_trained", "as_run"] = "as_trained",
) -> ConversionReport:
    """Write a published checkpoint as a language model and an adapter, and return a report.

    Experts become `Copies` with their LoRA merged; LoRAs on attention and on MLPs of layers without
    experts stay LoRAs. Tensors are read from the disk one by one, and written as they are read:
    memory is that of one layer's projection of all experts.

    Args:
        base: the folder of the base model: config.json and pytorch_model*.bin or *.safetensors.
        to: a new folder.
        tuned: the folder of the tuned part: adapter_config.json, adapter_model.bin,
            mlp_gates.bin, mm_audio_aligner.bin and others; None to convert the base model as it
            is, and for Uni-MoE 2.0-Omni.
        experts: for 8 experts, the folder of mlp_*.bin; `tuned` then has {0..7}_mlp_experts.bin.
        router: the released training gave LoRAs to the routers by a slip, and the released
            inference loses them. "as_trained" for weight + scale * B A, "as_run" for the weight.

    Raises ValueError for a file that holds more than tensors, and for missing and unexpected
    names: all of them are in the file that the message names. Pickled files are opened because
    the caller named their folder, and nothing but tensors is read from them.
    """
    if to.exists():
        raise ValueError(f"to={str(to)!r} is there already: give a new folder")
    if router not in ("as_trained", "as_run"):
        raise ValueError(f"router={router!r}: allowed are 'as_trained' and 'as_run'")
    checkpoint = Checkpoint.open(base, tuned=tuned, experts=experts)
    config = checkpoint.make_config()
    contents = Contents(checkpoint, config, router=router)
    contents.check(to.with_name(f"{to.name}.names.json"))
    with io.make_scratch_dir(to) as scratch:
        _write_base(scratch / BASE, config, contents)
        _write_adapter(scratch / ADAPTER, config, contents, base=to / BASE)
        connectors = contents.list_connectors()
        if connectors:
            io.save_tensors({n: checkpoint.weights[n] for n in connectors}, scratch / CONNECTORS)
        report = ConversionReport(
            layout=checkpoint.layout.name,
            layers=tuple(checkpoint.layers),
            router=router,
            router_loras=sum(checkpoint.has_router_lora(each) for each in checkpoint.layers),
            base=str(to / BASE),
            adapter=str(to / ADAPTER),
            connectors=tuple(connectors),
            left_out=tuple(contents.list_left_out()),
        )
        (scratch / REPORT).write_text(json.dumps(asdict(report), indent=2))
        for path in sorted(base.glob("tokenizer*")) + sorted(base.glob("special_tokens*")):
            shutil.copyfile(path, scratch / BASE / path.name)
        io.commit(scratch, to)
    return report


def _write_base(folder: Path, config: PretrainedConfig, contents: Contents) -> None:
    folder.mkdir()
    config.save_pretrained(folder)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    wanted = {
        name: each for name, each in model.state_dict().items() if name in contents.base_names
    }
    _write(folder / "model.safetensors", wanted, contents.make_base_weight)


def _write_adapter(
    folder: Path, config: PretrainedConfig, contents: Contents, *, base: Path
) -> None:
    with torch.device("meta"):
        model = graft(
            AutoModelForCausalLM.from_config(config, trust_remote_code=False), contents.mixtures
        )
    wanted = get_peft_model_state_dict(model, save_embedding_layers=False)
    settings = model.peft_config["default"]
    settings.base_model_name_or_path, settings.inference_mode = str(base), True
    folder.mkdir()
    settings.save_pretrained(str(folder))
    _write(folder / WEIGHTS, wanted, contents.make_adapter_weight)


def _write(
    path: Path, wanted: Mapping[str, Tensor], prepare: Callable[[str], PlannedTensor]
) -> None:
    """Write tensors as they are made; the dtype of each is that of the checkpoint."""
    made = {name: prepare(name) for name in wanted}
    layout = {name: (made[name].dtype, tuple(each.shape)) for name, each in wanted.items()}
    write_safetensors(path, layout, ((name, each.make()) for name, each in made.items()))
