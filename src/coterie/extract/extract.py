"""`extract`: write a single-task model from a grafted one, and verify it."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from peft import PeftModel
from torch import Tensor

from coterie import serialization
from coterie.extract import adapter as adapter_format
from coterie.extract import merged as merged_format
from coterie.extract import pruned
from coterie.extract.fixed_task import FixedTaskLora, get_adapter_config, make_fixed_task_loras
from coterie.extract.formats import ExtractRequest, ExtractResult
from coterie.extract.pruning import LayerUse, PruningOptions
from coterie.extract.source import open_source
from coterie.extract.verify import TOLERANCE, get_weight_tolerance, measure_probe_error
from coterie.train import Run

REPORT_FILE = "coterie_extract.json"


def extract(
    model: PeftModel | Run | str | Path,
    *,
    task: str,
    to: str | Path,
    format: Literal["adapter", "merged", "pruned"] | None = None,
    adapter: str = "default",
    probe: Mapping[str, Tensor] | None = None,
    use: Mapping[str, LayerUse] | str | None = None,
    pruning: PruningOptions | None = None,
) -> Path:
    """Extract a plain single-task model from a mixture, exact to rounding.

    "adapter" and "merged" are for mixtures that the task alone routes: LoRA experts, and no gate
    or a static one (`TaskGate(per_token=False)`). For a fixed task such a mixture is one LoRA, its
    experts concatenated along the rank. "pruned" is for dense tasks whose gates read the tokens: a
    smaller mixture, of the experts that the task uses. The files are loaded again and compared
    with the routed model.

    Args:
        model: a grafted model, or one that `PeftModel.from_pretrained` loaded; or a run of
            `coterie.train`, or its folder.
        task: the task's name, as given to `coterie.graft`; any name if none were given.
        to: a folder that does not exist, or is empty.
        format: "adapter", a plain PEFT LoRA; "merged", a plain transformers checkpoint, with a
            run's tokenizer or processor; or "pruned", a checkpoint that
            `AutoModel.from_pretrained` loads once `coterie.models.pruned_vision.modeling` is
            imported. None for that of the run's task set: "pruned" for dense tasks, else
            "adapter".
        adapter: the name of the mixtures' adapter.
        probe: inputs of the base model's forward pass on which outputs are compared too, for
            models that fit into memory twice. For "pruned", None takes a few images of a run's
            data set.
        use: for "pruned": layer -> {"chosen": share of units by expert}, of the task; or the
            split of the run's data set to measure it on. None for what `coterie evaluate` wrote
            into the run's routing.json, else "validation"; without a run, for the probe.
        pruning: for "pruned": how many experts are removed; None for Mod-Squad's 3 %.

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
    to = Path(to).absolute()
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise ValueError(f"{to} exists and is not an empty folder: give a new one")
    source = open_source(model)
    partial = to.parent / f".{to.name}.partial"
    # Loading or activating an adapter sets requires_grad.
    trained = {weight: weight.requires_grad for weight in source.model.parameters()}
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        request = ExtractRequest(
            source=source,
            task=task,
            adapter=adapter,
            folder=partial,
            probe=probe,
            usage=use,
            pruning=pruning or PruningOptions(),
        )
        write_extract(request, format or source.default_format)
        if to.is_dir():
            to.rmdir()
        partial.rename(to)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        for weight, flag in trained.items():
            weight.requires_grad_(flag)
    return to


def write_extract(request: ExtractRequest, format: str) -> None:
    """Write all files of the folder, and verify them."""
    written = FORMATS[format](request)
    facts = verify_extract(written)
    report = {"task": request.task, "form": format, "adapter": request.adapter, **facts}
    report |= written.report | describe_provenance(request.source.model, request.adapter)
    if request.source.processor is not None and format != "adapter":
        request.source.processor.save_pretrained(str(request.folder))
    (request.folder / REPORT_FILE).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def write_adapter(request: ExtractRequest) -> ExtractResult:
    """Write the plain LoRA and verify its files; PEFT loads it for the probe."""
    model, adapter, folder = request.source.model, request.adapter, request.folder
    shares = make_fixed_task_loras(model, adapter, request.task)
    base_model = merged_format.copy_without_mixtures(model, adapter)
    adapter_format.check(model, base_model, adapter)
    rank = adapter_format.write(model, base_model, shares, adapter, folder)
    error = adapter_format.verify(base_model, shares, folder)
    flags = adapter_format.make_vllm_flags(shares, rank)

    def plain() -> Any:
        base_model = merged_format.copy_without_mixtures(model, adapter, runs=True)
        return PeftModel.from_pretrained(base_model, str(folder)).eval()

    return ExtractResult(
        load_result=plain,
        measure_difference=lambda plain, probe: measure_routed_error(request, plain, probe),
        weight_error=error,
        tolerance=TOLERANCE,
        report={"rank": rank, "vllm": flags, **describe_modules(shares)},
        probe=request.probe,
    )


def write_merged(request: ExtractRequest) -> ExtractResult:
    """Write the merged checkpoint, and load it with transformers."""
    model, adapter, folder = request.source.model, request.adapter, request.folder
    shares = make_fixed_task_loras(model, adapter, request.task)
    merged_format.check(model, shares)
    merged_format.write(model, shares, adapter, folder)
    plain = merged_format.read(merged_format.copy_without_mixtures(model, adapter), folder)
    error = merged_format.verify(model, shares, adapter, plain)
    dtypes = {plain.get_submodule(share.name).get_parameter("weight").dtype for share in shares}
    return ExtractResult(
        load_result=lambda: plain,
        measure_difference=lambda plain, probe: measure_routed_error(request, plain, probe),
        weight_error=error,
        tolerance=max(map(get_weight_tolerance, dtypes)),
        report=describe_modules(shares),
        probe=request.probe,
    )


def measure_routed_error(request: ExtractRequest, plain: Any, probe: Mapping[str, Tensor]) -> float:
    """Measure how much a plain model's outputs differ from the routed model's for the task."""
    model = request.source.model
    tasks = get_adapter_config(model, request.adapter).tasks
    index = tasks.index(request.task) if tasks else None
    return measure_probe_error(model, plain, probe, index, request.adapter)


FORMATS = {"adapter": write_adapter, "merged": write_merged, "pruned": pruned.write}


def verify_extract(result: ExtractResult) -> dict[str, Any]:
    """Return the errors, for the report. Raises RuntimeError if one is above its tolerance."""
    if not result.weight_error <= result.tolerance:
        raise RuntimeError(
            f"the loaded weights differ from the routed model's by {result.weight_error:.1e} of "
            f"the largest entry, where {result.tolerance:.1e} is allowed"
        )
    facts: dict[str, Any] = {
        "weight_error": result.weight_error,
        "weight_tolerance": result.tolerance,
    }
    if result.probe is None:
        return facts
    plain = result.load_result()
    error = result.measure_difference(plain, result.probe)
    dtype = next(weight.dtype for weight in plain.parameters() if weight.is_floating_point())
    allowed = max(1e-4, 10 * torch.finfo(dtype).eps)
    if not error <= allowed:
        raise RuntimeError(
            f"the outputs for the probe differ by {error:.1e} of the largest, where {allowed:.1e} "
            "is allowed"
        )
    return facts | {"probe_error": error, "probe_tolerance": allowed}


def describe_provenance(model: PeftModel, adapter: str) -> dict[str, Any]:
    """Describe the source model: its base, tasks and mixtures."""
    config = get_adapter_config(model, adapter)
    return {
        "base_model_name_or_path": config.base_model_name_or_path,
        "tasks": list(config.tasks),
        "mixtures": [serialization.dump(mixture) for mixture in config.parse_mixtures()],
    }


def describe_modules(shares: Sequence[FixedTaskLora]) -> dict[str, Any]:
    """Describe the extracted modules."""
    return {
        "num_modules": len(shares),
        "modules": {
            share.name: {"gates": list(share.combine_weights), "ranks": list(share.ranks)}
            for share in shares
        },
    }
