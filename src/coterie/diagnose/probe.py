"""A LoRA that stands in a model for a while, so that tasks' gradients can be taken in its place."""

from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from typing import Any, cast

import torch
from peft import PeftModel
from torch import nn
from transformers import PreTrainedModel

from coterie.experts.lora import Lora
from coterie.graft import graft
from coterie.mixture import Mixture
from coterie.tuner.layer import CoterieLayer

NAME = "coterie_probe"
RANK = 8


@contextmanager
def probe_lora(
    model: PreTrainedModel | PeftModel, at: Sequence[str], *, seed: int
) -> Iterator[tuple[nn.Module, dict[str, nn.Parameter]]]:
    """Inside, a fresh shared LoRA is at the linear layers that `at` names; it changes no output.

    What it gives is its second factor (`up`, zero), whose gradient is scale * G @ down^T, where G
    is the gradient of the host's own weight and `down` is random. So inner products are, up to a
    factor and on average, those of the host's own gradients (a random projection), and at the
    same time exactly those of the first step that a shared LoRA takes: `down` has no gradient
    there. Afterwards the model is what it was, bit for bit, hooks and flags included.

    Args:
        model: a host, or a grafted one, whose adapters stay active.
        at: roles or patterns, as `Mixture.at`.
        seed: of `down`.

    Yields:
        The model to call, and the factors by their modules' names.
    """
    lora = Lora(ranks=(RANK,), alpha=float(RANK))
    mixtures = [Mixture(at=each, experts=lora, gate=None) for each in at]
    with preserve_flags(model), torch.random.fork_rng():
        torch.manual_seed(seed)
        if isinstance(model, PeftModel):
            with _add_probe(model, mixtures):
                yield model, find_adapter_parameters(model, NAME, only="up")
            return
        grafted = graft(model, mixtures, adapter=NAME)
        grafted.eval()  # what is new comes in training mode
        try:
            yield grafted, find_adapter_parameters(grafted, NAME, only="up")
        finally:
            grafted.unload()
            # PEFT leaves its mark on the host, and would take a later graft for a second one.
            vars(model).pop("peft_config", None)


@contextmanager
def _add_probe(model: PeftModel, mixtures: Sequence[Mixture]) -> Iterator[None]:
    before = list(model.active_adapters)
    hosts = {module for module in model.modules() if isinstance(module, CoterieLayer)}
    graft(model, mixtures, adapter=NAME)
    tuner = cast(Any, model.base_model)
    try:
        tuner.set_adapter([*before, NAME])
        model.eval()
        yield
    finally:
        model.delete_adapter(NAME)
        _remove_probe_layers(model, hosts)
        model.set_adapter(before[0])
        tuner.set_adapter(before)


def _remove_probe_layers(model: nn.Module, kept: Set[nn.Module]) -> None:
    """Takes off the layers that only the probe needed, which PEFT leaves in place, empty."""
    found = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if isinstance(child, CoterieLayer) and child not in kept
    ]
    for parent, name, child in found:
        setattr(parent, name, child.base_layer)


@contextmanager
def preserve_flags(model: nn.Module) -> Iterator[None]:
    """Afterwards modules and parameters that were there have the flags they had."""
    modes = {module: module.training for module in model.modules()}
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        for parameter, flag in flags:
            parameter.requires_grad_(flag)


def find_adapter_parameters(
    model: nn.Module, adapter: str, *, only: str = ""
) -> dict[str, nn.Parameter]:
    """An adapter's parameters, by the host module's name and their own; they get gradients.

    Args:
        model: a grafted model.
        adapter: the adapter's name.
        only: the parameters' own name; "" for all, those of gates included.
    """
    found: dict[str, nn.Parameter] = {}
    for module in model.modules():
        if not isinstance(module, CoterieLayer) or adapter not in module.coterie_site:
            continue
        place = module.coterie_site[adapter].layer_site.name
        for parts in (module.coterie_experts, module.coterie_gate):
            if adapter not in parts:
                continue
            for name, parameter in parts[adapter].named_parameters():
                if only in ("", name):
                    found[f"{place}.{name}"] = parameter
                    parameter.requires_grad_(True)
    return found


def supports_probe(model: PeftModel) -> bool:
    """Whether a probe can stand beside the model's adapters: not where experts replace blocks."""
    return all(
        site.mixture.main.attaches_to == "linears"
        for module in model.modules()
        if isinstance(module, CoterieLayer)
        for site in module.coterie_site.values()
    )


def get_parameter_towers(names: Mapping[str, nn.Parameter], model: nn.Module) -> dict[str, str]:
    """The part of the model that each of `factors` is in."""
    found = {
        site.layer_site.name: site.layer_site.tower
        for module in model.modules()
        if isinstance(module, CoterieLayer)
        for site in module.coterie_site.values()
    }
    return {name: found[name.rpartition(".")[0]] for name in names}
