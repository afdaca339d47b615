"""`extract`: write a single-task model from a grafted one, and verify it."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from peft import PeftModel
from torch import Tensor

from coterie import serialization
from coterie.extract import adapter as lora
from coterie.extract import adapters, gguf, merged, native, onnx, pruned, router
from coterie.extract.card import write_card
from coterie.extract.expert_selection import LayerUse, PruningOptions
from coterie.extract.fixed_task import get_adapter_config
from coterie.extract.format import Format
from coterie.extract.processor_files import save_chat_template, save_processor
from coterie.extract.source import ExtractRequest
from coterie.io import PARTIAL, commit, explain_write_errors
from coterie.progress import Progress
from coterie.tasks.task_set import TaskSet
from coterie.third_party_warnings import suppress_third_party_warnings
from coterie.train import Run

REPORT_FILE = "coterie_extract.json"
MERGED_DTYPES = {
    "float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16
}  # fmt: skip
FORMATS = {
    "adapter": Format(lora.write, has_chat_template=True, reads_all_mixtures=False),
    "adapters": Format(adapters.write, needs_task=False, has_chat_template=True),
    "gguf": Format(gguf.write, has_dtype=True),
    "merged": Format(merged.write, has_processor=True, has_dtype=True, reads_all_mixtures=False),
    "native": Format(native.write, has_processor=True, has_dtype=True),
    "onnx": Format(onnx.write, has_processor=True),
    "pruned": Format(pruned.write, has_processor=True),
    "router": Format(router.write, needs_task=False, has_chat_template=True),
}


FormatName = Literal["adapter", "adapters", "gguf", "merged", "native", "onnx", "pruned", "router"]


def extract(  # noqa: PLR0913  the choices of one call, each by its name
    model: PeftModel | Run | str | Path,
    *,
    task: str | None = None,
    to: str | Path,
    format: FormatName | None = None,
    adapter: str = "default",
    probe: Mapping[str, Tensor] | None = None,
    use: Mapping[str, LayerUse] | str | None = None,
    pruning: PruningOptions | None = None,
    dtype: Literal["float32", "bfloat16", "float16"] | None = None,
    llama_cpp: str | Path | None = None,
    device: str | torch.device | None = None,
) -> Path:
    """Extract a plain single-task model from a mixture, exact to rounding.

    "adapter", "adapters" and "merged" are for mixtures that the task alone routes: LoRA experts,
    and no gate or a static one (`TaskGate(per_token=False)`). For a fixed task such a mixture is
    one LoRA, its experts concatenated along the rank. "pruned" is for dense tasks whose gates read
    the tokens: a smaller mixture, of the experts that the task uses. The files are loaded again and
    compared with the routed model.

    Args:
        model: a grafted model, or one that `PeftModel.from_pretrained` loaded; or a run of
            `coterie.train`, or its folder.
        task: the task's name, as given to `coterie.graft`; any name if none were given. None only
            for "adapters", which has all tasks.
        to: a folder that does not exist, or is empty.
        format: "adapter", a plain PEFT LoRA; "adapters", a plain PEFT LoRA of each expert, and
            scales.json with each task's weights of them; "merged", a plain transformers
            checkpoint, with a run's tokenizer or processor; "native", a mixture of Copies in a
            language model as transformers' Mixtral or Qwen2-MoE; "gguf", either of these two for
            llama.cpp; "onnx", a vision model's graph; "router", instance gates on their own and a
            LoRA of each expert; or "pruned", a checkpoint that
            `AutoModel.from_pretrained` loads once `coterie.models.pruned_vision.modeling` is
            imported. None for that of the run's task set: "pruned" for dense tasks, else
            "adapter".
        adapter: the name of the mixtures' adapter.
        probe: inputs of the base model's forward pass on which outputs are compared too, for
            models that fit into memory twice. For "pruned", None takes a few images of a run's
            data set.
        use: for "pruned" and "native": layer -> {"chosen": share of units by expert}, of the task;
            or, for "pruned", the split of the run's data set to measure it on. None for what
            `coterie evaluate` wrote into the run's routing.json, else, for "pruned",
            "validation"; without a run, for the probe.
        pruning: how many experts are removed; None for Mod-Squad's 3 % of "pruned", and for none of
            "native".
        dtype: for "merged", "native" and "gguf": of the written weights; None for the dtype that a
            run's base model is saved in, or that of a given model.
        llama_cpp: for "gguf": the folder of llama.cpp; None for its converter on PATH.
        device: where a run's model is loaded, see `coterie.devices.choose_device`; None for an
            accelerator where there is one. A model that is given stays where it is.

    Returns:
        The folder. `coterie_extract.json` in it has the modules that were extracted, the errors,
        and the flags with which vLLM loads an adapter.

    Raises:
        ValueError: a mixture that is not constant for a task, an unknown task or adapter, a
            folder that is not empty, modules_to_save (for "adapter"), a quantised base model (for
            "merged").
        RuntimeError: the written model differs from the routed one; `to` is then not written.
    """
    if format not in (None, *FORMATS):
        raise ValueError(f"format={format!r}: allowed are {', '.join(map(repr, FORMATS))}")
    has_dtype = format is not None and FORMATS[format].has_dtype
    if dtype is not None and not (has_dtype and dtype in MERGED_DTYPES):
        allowed = ", ".join(map(repr, MERGED_DTYPES))
        formats = ", ".join(repr(name) for name, each in FORMATS.items() if each.has_dtype)
        raise ValueError(
            f"dtype={dtype!r}, format={format!r}: allowed are {allowed}, for the formats {formats}"
        )
    if llama_cpp is not None and format != "gguf":
        raise ValueError(f"llama_cpp={str(llama_cpp)!r}, format={format!r}: it is for 'gguf' alone")
    to = Path(to).expanduser().absolute()
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise ValueError(f"{to} exists and is not an empty folder: give a new one")
    if task is None and (format is None or FORMATS[format].needs_task):
        raise ValueError(f"format={format!r} is of one task: give task=, its name")
    with make_partial_folder(to) as partial:
        request = ExtractRequest.open(
            model, device=device, task=task or "", adapter=adapter, probe=probe, use=use,
            pruning=pruning, dtype=MERGED_DTYPES.get(dtype or ""),
            llama_cpp=None if llama_cpp is None else Path(llama_cpp),
        )  # fmt: skip
        default = (TaskSet if request.run is None else request.run.config.tasks).extract_format
        # Loading or activating an adapter sets requires_grad.
        trained = {weight: weight.requires_grad for weight in request.model.parameters()}
        phase = Progress(
            1, f"write and verify {request.task or 'all tasks'}", unit="model", first_line_after=1
        )
        try:
            with suppress_third_party_warnings(), phase as progress:
                write_extract(format or default, request, partial)
                progress.update()
        finally:
            for weight, flag in trained.items():
                weight.requires_grad_(flag)
        commit(partial, to)
    return to


@contextmanager
def make_partial_folder(to: Path) -> Iterator[Path]:
    """Yield a new folder beside `to`, removed afterwards. Raises WriteError if it is not writable.

    Made before the model is loaded, which may take minutes.
    """
    with explain_write_errors(to):
        to.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(PARTIAL, f".{to.name}.", to.parent))
        try:
            yield partial
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def write_extract(name: str, request: ExtractRequest, folder: Path) -> None:
    """Write all files of the folder, and verify them."""
    format = FORMATS[name]
    _check_mixtures(name, format, request)
    report: dict[str, Any] = {
        "task": request.task or None,
        "form": name,
        "adapter": request.adapter,
    }
    report |= format.write(request, folder)
    config = get_adapter_config(request.model, request.adapter)
    report |= {
        "base_model_name_or_path": config.base_model_name_or_path or get_base(request),
        "tasks": list(config.tasks),
        "mixtures": [serialization.dump(mixture) for mixture in config.parse_mixtures()],
    }
    if request.processor is not None and request.run is not None:
        if format.has_processor:
            base = request.run.config.base
            report["copied_from_base"] = save_processor(request.processor, base, folder)
        elif format.has_chat_template:
            report["chat_template"] = save_chat_template(request.processor, folder)
    (folder / REPORT_FILE).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    write_card(folder, report, request.run)


def _check_mixtures(name: str, format: Format, request: ExtractRequest) -> None:
    """Raise ValueError for mixtures of different tasks in a format that cannot hold them."""
    mixtures = get_adapter_config(request.model, request.adapter).parse_mixtures()
    if format.reads_all_mixtures and any(each.tasks for each in mixtures):
        raise ValueError(
            f"format={name!r}: the run has mixtures of some of its tasks, as coterie.add_tasks "
            "makes them, and this format has none for them: use 'adapter' or 'merged'"
        )


def get_base(request: ExtractRequest) -> str | None:
    """Return the base model's name in a run, for adapters that have none, as those of images."""
    return None if request.run is None else request.run.config.base
