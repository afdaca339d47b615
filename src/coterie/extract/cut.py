"""`extract` cuts one task's constant mixture out of a grafted model, and checks what it wrote."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from peft import PeftModel
from torch import Tensor

from coterie import spec
from coterie.extract import adapter as adapter_form
from coterie.extract import merged as merged_form
from coterie.extract.run import opened
from coterie.extract.task import Share, config_of, shares_of
from coterie.extract.verify import TOLERANCE, probe_error, weight_tolerance
from coterie.train import Run

REPORT = "coterie_extract.json"


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a form has written: how to run it, its weights' error, and more for the report."""

    plain: Callable[[], Any]
    error: float
    tolerance: float
    facts: dict[str, Any]


def extract(
    model: PeftModel | Run | str | Path,
    *,
    task: str,
    to: str | Path,
    form: Literal["adapter", "merged"] = "adapter",
    adapter: str = "default",
    probe: Mapping[str, Tensor] | None = None,
) -> Path:
    """Cuts a plain single-task model out of a mixture, exact to rounding.

    It works where the task alone decides: LoRA experts, and no gate or one that is static
    (`TaskGate(per_token=False)`). For a fixed task such a mixture is one LoRA, its experts side
    by side along the rank. What was written is read back and compared with the routed model.

    Args:
        model: a grafted model, or one that `PeftModel.from_pretrained` loaded; or a run of
            `coterie.train`, or its folder.
        task: the task's name, as it was given to `coterie.graft`; any name if none were given.
        to: a folder that is not there yet, or is empty.
        form: "adapter", a plain PEFT LoRA, or "merged", a plain transformers checkpoint, with a
            run's tokenizer or processor (a model's are not known here).
        adapter: the name of the mixtures' adapter.
        probe: a batch of the host's forward on which the answers are compared too, for models
            that fit into memory twice.

    Returns:
        The folder. `coterie_extract.json` in it says what was cut, with what error, and with what
        flags vLLM loads an adapter.

    Raises:
        ValueError: a mixture that is not constant for a task, an unknown task or adapter, a
            folder that is not empty, modules saved whole (for "adapter"), a quantised host (for
            "merged").
        RuntimeError: what was written differs from the routed model; nothing is left in `to`.
    """
    forms = {"adapter": write_adapter, "merged": write_merged}
    if form not in forms:
        raise ValueError(f"form={form!r}: allowed are {', '.join(map(repr, forms))}")
    to = Path(to).absolute()
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise ValueError(f"{to} is there already and is no empty folder: give a new one")
    routed, processor = opened(model)
    shares = shares_of(routed, adapter, task)
    partial = to.parent / f".{to.name}.partial"
    # Reading a plain adapter back, or choosing one, sets what is trained.
    trained = {weight: weight.requires_grad for weight in routed.parameters()}
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        written = forms[form](routed, shares, adapter, partial)
        facts = checked(written, routed, task, adapter, probe)
        report = {"task": task, "form": form, "adapter": adapter, **facts, **written.facts}
        report |= source(routed, shares, adapter)
        if processor is not None and form == "merged":
            processor.save_pretrained(str(partial))
        (partial / REPORT).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        if to.is_dir():
            to.rmdir()
        partial.rename(to)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        for weight, flag in trained.items():
            weight.requires_grad_(flag)
    return to


def write_adapter(model: PeftModel, shares: Sequence[Share], adapter: str, folder: Path) -> Written:
    """The plain LoRA, its files read back; PEFT loads it for the probe."""
    host = merged_form.bare(model, adapter)
    adapter_form.check(model, host, adapter)
    rank = adapter_form.write(model, host, shares, adapter, folder)
    error = adapter_form.verify(host, shares, folder)
    flags = adapter_form.vllm_flags(shares, rank)

    def plain() -> Any:
        host = merged_form.bare(model, adapter, runs=True)
        return PeftModel.from_pretrained(host, str(folder)).eval()

    return Written(
        plain=plain, error=error, tolerance=TOLERANCE, facts={"rank": rank, "vllm": flags}
    )


def write_merged(model: PeftModel, shares: Sequence[Share], adapter: str, folder: Path) -> Written:
    """The checkpoint, read back by transformers."""
    merged_form.check(model, shares)
    merged_form.write(model, shares, adapter, folder)
    plain = merged_form.read(merged_form.bare(model, adapter), folder)
    error = merged_form.verify(model, shares, adapter, plain)
    dtypes = {plain.get_submodule(share.name).get_parameter("weight").dtype for share in shares}
    tolerance = max(map(weight_tolerance, dtypes))
    return Written(plain=lambda: plain, error=error, tolerance=tolerance, facts={})


def checked(
    written: Written,
    model: PeftModel,
    task: str,
    adapter: str,
    probe: Mapping[str, Tensor] | None,
) -> dict[str, Any]:
    """The errors, for the report. Raises RuntimeError if one is above its tolerance."""
    if not written.error <= written.tolerance:
        raise RuntimeError(
            f"the weights read back differ from the routed model's by {written.error:.1e} of the "
            f"largest entry, where {written.tolerance:.1e} is allowed"
        )
    facts: dict[str, Any] = {"weight_error": written.error, "weight_tolerance": written.tolerance}
    if probe is None:
        return facts
    tasks = config_of(model, adapter).tasks
    index = tasks.index(task) if tasks else None
    plain = written.plain()
    error = probe_error(model, plain, probe, index, adapter)
    dtype = next(weight.dtype for weight in plain.parameters() if weight.is_floating_point())
    allowed = max(1e-4, 10 * torch.finfo(dtype).eps)
    if not error <= allowed:
        raise RuntimeError(
            f"the answers to the probe differ by {error:.1e} of the largest, where {allowed:.1e} "
            "is allowed"
        )
    return facts | {"probe_error": error, "probe_tolerance": allowed}


def source(model: PeftModel, shares: Sequence[Share], adapter: str) -> dict[str, Any]:
    """What was cut, and of what."""
    config = config_of(model, adapter)
    return {
        "base_model_name_or_path": config.base_model_name_or_path,
        "tasks": list(config.tasks),
        "mixtures": [spec.dump(mixture) for mixture in config.parsed()],
        "num_modules": len(shares),
        "modules": {
            share.name: {"gates": list(share.gates), "ranks": list(share.ranks)} for share in shares
        },
    }
