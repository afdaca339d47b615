"""`match`: load an adapter's folder with PEFT itself into a model without weights, and compare."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftConfig, PeftModel

import coterie.tuner.model  # noqa: F401  registers PEFT's method COTERIE
from coterie.compatibility.adapter_folder import AdapterFolder
from coterie.compatibility.finding import Effect, Finding
from coterie.data.sources.base import get_first_line
from coterie.models.host import Host
from coterie.third_party_warnings import suppress_third_party_warnings
from coterie.tuner.config import PEFT_TYPE_NAME

ADAPTER = "default"
LORA = "LORA"
KNOWN = (LORA, PEFT_TYPE_NAME)
"""Methods whose configuration names no other files to load."""


@dataclass(frozen=True, kw_only=True)
class Match:
    """What PEFT does with an adapter.

    Attributes:
        modules: names of the base model's modules that the adapter changes.
        findings: empty if every tensor is used and none is missing.
    """

    modules: Sequence[str]
    findings: Sequence[Finding]


def match(folder: AdapterFolder, host: Host) -> Match:
    """Load `folder` into `host`, which is changed by it."""
    if folder.peft_type not in KNOWN:
        reason = (
            f"adapters of {folder.peft_type} are not checked, those of {' and '.join(KNOWN)} are"
        )
        return Match(modules=(), findings=[Finding(effect="unknown", reason=reason)])
    names = host.modules.keys()  # without those that PEFT adds
    try:
        model = inject(folder, host)
    except (ValueError, NotImplementedError, TypeError, KeyError, re.error) as error:
        return Match(modules=(), findings=[Finding(effect="refused", reason=describe(error))])
    expected = {shorten(name): tuple(weight.shape) for name, weight in model.state_dict().items()}
    findings = find_other_shapes(folder, expected)
    if not findings:
        findings = load(folder, model)
    modules = [name for name in list_changed_modules(model) if name in names]
    return Match(modules=modules, findings=findings)


def shorten(name: str) -> str:
    """Return the name that PEFT saves a tensor by."""
    return name.replace(f".modules_to_save.{ADAPTER}", "", 1).replace(f".{ADAPTER}", "", 1)


def describe(error: Exception) -> str:
    """Return the first line of an error, without a stop."""
    return get_first_line(error).rstrip(".")


def inject(folder: AdapterFolder, host: Host) -> PeftModel:
    """Put the adapter's modules into the host, without values."""
    config: Any = PeftConfig.from_pretrained(str(folder.path))
    config.inference_mode = True
    if folder.peft_type == LORA:
        config.megatron_config = None  # or PEFT imports the module that the file names
        config.init_lora_weights = True  # or PEFT decomposes weights, which are not there
    model: Any = host.model
    with suppress_third_party_warnings(), torch.device("meta"):
        return PeftModel(model, config, ADAPTER, low_cpu_mem_usage=True)


def find_other_shapes(folder: AdapterFolder, expected: dict[str, tuple[int, ...]]) -> list[Finding]:
    """Return a finding for tensors whose shapes are others than the host's; PEFT refuses them."""
    wrong = {
        name: (shape, expected[name])
        for name, shape in folder.shapes.items()
        if name in expected and shape != expected[name]
    }
    if not wrong:
        return []
    name, (found, wanted) = next(iter(wrong.items()))
    reason = f"{name} is {list(found)}, and this base model has room for {list(wanted)}"
    return [Finding(effect="refused", reason=reason, names=sorted(wrong))]


def load(folder: AdapterFolder, model: PeftModel) -> list[Finding]:
    """Load the values, and return what PEFT reports of them and what it does not."""
    try:
        with suppress_third_party_warnings(), warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            result = model.load_adapter(
                str(folder.path), ADAPTER, torch_device="cpu", low_cpu_mem_usage=True,
                ignore_mismatched_sizes=True,
            )  # fmt: skip
    except KeyError as error:  # modules_to_save without their weights
        reason = f"the file lacks {error}, which modules_to_save names"
        return [Finding(effect="refused", reason=reason)]
    except (ValueError, RuntimeError) as error:
        return [Finding(effect="refused", reason=describe(error))]
    findings = [
        Finding(effect="refused", reason=describe(each.message))
        for each in said
        if isinstance(each.message, Warning) and "found shape" in str(each.message)
    ]
    others: tuple[tuple[Effect, list[str], str], ...] = (
        ("dropped", result.unexpected_keys, "PEFT finds no place for them, and says nothing"),
        ("unknown", result.missing_keys, "not in the file, so that they stay as initialised"),
    )
    for effect, names, reason in others:
        own = sorted(map(shorten, names))
        if own:
            findings.append(Finding(effect=effect, reason=reason, names=own))
    return findings


def list_changed_modules(model: PeftModel) -> list[str]:
    """Return the names, in the base model, of modules with a part of the adapter."""
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    kinds = (BaseTunerLayer, AuxiliaryTrainingWrapper)
    inner: Any = model.get_base_model()
    return [name for name, module in inner.named_modules() if isinstance(module, kinds)]
