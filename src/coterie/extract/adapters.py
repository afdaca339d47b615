"""The "adapters" format: each expert as a plain PEFT LoRA, and each task's weights of them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file

from coterie.experts.base import LowRankFactors
from coterie.extract import adapter as lora
from coterie.extract.fixed_task import (
    FixedTaskLora,
    get_adapter_config,
    get_adapter_layers,
    make_fixed_task_loras,
)
from coterie.extract.merged import copy_without_mixtures
from coterie.extract.source import ExtractRequest
from coterie.extract.verify import compute_largest_error, verify_probe, verify_weights
from coterie.io import write as write_text
from coterie.tuner.config import WEIGHTS

SCALES = "scales.json"
SHARED = "shared"

TaskLoras = Mapping[str, Sequence[FixedTaskLora]]
"""Task -> its LoRA at every module; the factors are the same for all tasks."""
Scales = dict[str, dict[str, dict[str, float]]]
"""Task -> adapter -> module -> the factor of the adapter's change there."""


@dataclass(frozen=True, kw_only=True)
class ExpertLora:
    """One expert at all of its modules, at weight 1.

    Attributes:
        name: "expert-1" and so on, or "shared".
        parts: one for each module.
    """

    name: str
    parts: tuple[FixedTaskLora, ...]


def write(request: ExtractRequest, folder: Path) -> dict[str, Any]:
    """Write and verify the folders and scales.json, and return the report."""
    model, adapter = request.model, request.adapter
    config = get_adapter_config(model, adapter)
    tasks = config.tasks or ["all"]
    loras = {task: make_fixed_task_loras(model, adapter, task) for task in tasks}
    base_model = copy_without_mixtures(model, adapter)
    lora.check(base_model, config)
    has_shared = {
        name: layer.coterie_site[adapter].mixture.shared is not None
        for name, layer in get_adapter_layers(model, adapter).items()
    }
    experts = split_experts(loras[tasks[0]], has_shared)
    for expert in experts:
        (folder / expert.name).mkdir()
        lora.save(base_model, expert.parts, config, folder / expert.name)
    scales = list_scales(loras, has_shared)
    shared_by_modules = find_common_scales(scales)
    write_scales(folder / SCALES, experts, scales, shared_by_modules)
    for expert in experts:
        lora.verify(base_model, expert.parts, folder / expert.name)
    report = verify_weights(verify(loras, folder), torch.float32)
    if request.probe is not None and request.task in loras:
        plain = load(copy_without_mixtures(model, adapter, runs=True), folder, request.task)
        report |= verify_probe(request, plain)
    return report | {
        "adapters": [expert.name for expert in experts],
        "one_scale_a_request": shared_by_modules is not None,
    }


def split_experts(
    shares: Sequence[FixedTaskLora], has_shared: Mapping[str, bool]
) -> list[ExpertLora]:
    """Return each expert at all modules that have it, the shared one last."""
    parts: dict[str, list[FixedTaskLora]] = {}
    for share in shares:
        ranks, factors = share.factors.ranks, share.factors
        names = name_experts(len(ranks), has_shared=has_shared[share.name])
        rows = zip(names, ranks, factors.scales, factors.down.split(ranks), factors.up.split(ranks),
                   strict=True)  # fmt: skip
        for name, rank, scale, down, up in rows:
            own = LowRankFactors(ranks=(rank,), scales=(scale,), down=down, up=up)
            part = replace(share, factors=own, combine_weights=(1.0,))
            parts.setdefault(name, []).append(part)
    names = sorted(parts, key=lambda name: (name == SHARED, len(name), name))
    return [ExpertLora(name=name, parts=tuple(parts[name])) for name in names]


def name_experts(count: int, *, has_shared: bool) -> list[str]:
    """Return the names of a module's experts, in the order of their factors."""
    routed = [f"expert-{number + 1}" for number in range(count - has_shared)]
    return [*routed, SHARED] if has_shared else routed


def list_scales(loras: TaskLoras, has_shared: Mapping[str, bool]) -> Scales:
    """Return every task's weights of the experts, by module."""
    scales: Scales = {}
    for task, shares in loras.items():
        scales[task] = {}
        for share in shares:
            weights = share.combine_weights
            names = name_experts(len(weights), has_shared=has_shared[share.name])
            for name, weight in zip(names, weights, strict=True):
                scales[task].setdefault(name, {})[share.name] = weight
    return scales


def find_common_scales(scales: Scales) -> dict[str, dict[str, float]] | None:
    """Return task -> adapter -> the one weight that all modules have; None if they differ."""
    found: dict[str, dict[str, float]] = {}
    for task, by_adapter in scales.items():
        found[task] = {}
        for name, by_module in by_adapter.items():
            values = set(by_module.values())
            if max(values) - min(values) > 1e-7 * max(map(abs, values)):
                return None
            found[task][name] = next(iter(by_module.values()))
    return found


def write_scales(
    file: Path,
    experts: Sequence[ExpertLora],
    scales: Scales,
    common: Mapping[str, Mapping[str, float]] | None,
) -> None:
    """Write scales.json: one weight for each task and adapter, or one for each module, too."""
    found: dict[str, Any] = {"adapters": [expert.name for expert in experts]}
    found |= {"scales": common} if common is not None else {"module_scales": scales}
    write_text(file, json.dumps(found, indent=2) + "\n")


def read_scales(folder: Path, task: str) -> dict[str, Callable[[str], float]]:
    """Read a task's weight of each adapter, as a function of the module's name."""
    found = json.loads((folder / SCALES).read_text(encoding="utf-8"))
    if "scales" in found:
        return {name: lambda _, one=scale: one for name, scale in found["scales"][task].items()}
    return {name: each.__getitem__ for name, each in found["module_scales"][task].items()}


def verify(loras: TaskLoras, folder: Path) -> float:
    """Return the largest error of a module's weight for a task, summed up from the files."""
    names = [each.parent for each in folder.glob(f"*/{lora.CONFIG}")]
    files = {each.name: load_file(str(each / WEIGHTS)) for each in names}
    errors = []
    for task, shares in loras.items():
        scales = read_scales(folder, task)
        for share in shares:
            total = torch.zeros_like(wanted := share.compute_delta())
            for name, weights in files.items():
                keys = [f"{lora.PREFIX}{share.name}.lora_{half}.weight" for half in "AB"]
                if keys[0] in weights:
                    factor = scales[name](share.name)
                    down, up = (weights[key].double() for key in keys)
                    total += factor * (up @ down)
            errors.append(compute_largest_error(total, wanted))
    return max(errors)


def load(base_model: Any, folder: Path, task: str) -> PeftModel:
    """Load all adapters with PEFT, active together, each with the task's scales."""
    scales = read_scales(folder, task)
    first, *others = scales
    model = PeftModel.from_pretrained(base_model, str(folder / first), adapter_name=first)
    for name in others:
        model.load_adapter(str(folder / name), adapter_name=name)
    tuner: Any = model.base_model
    tuner.set_adapter([first, *others])
    for name, module in model.get_base_model().named_modules():
        if not isinstance(module, LoraLayer):
            continue
        for adapter in module.lora_A:
            module.scaling[adapter] *= scales[adapter](name)
    return model.eval()
