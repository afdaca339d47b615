"""A temporary shared LoRA in a model, whose gradients are those of its first training step."""

from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from typing import Any, cast

import torch
from peft import PeftModel
from torch import nn
from transformers import PreTrainedModel

from coterie.experts.lora import Lora
from coterie.graft import graft
from coterie.mixture import Mixture
from coterie.tasks.gradients.parameter_space import find_adapter_parameters, preserve_flags
from coterie.tuner.layer import CoterieLayer

NAME = "coterie_probe"
RANK = 8


@contextmanager
def probe_lora(
    model: PreTrainedModel | PeftModel, at: Sequence[str], *, seed: int
) -> Iterator[tuple[nn.Module, dict[str, nn.Parameter]]]:
    """Add a new shared LoRA at the linear layers that `at` names; it changes no output.

    Its second factor (`up`, zero) has the gradient scale * G @ down^T, where G is the gradient of
    the base model's own weight and `down` is random. So inner products are, up to a factor and on
    average, those of the base model's own gradients (a random projection), and at the same time
    exactly those of the first step that a shared LoRA takes: `down` has no gradient there.
    Afterwards the model is what it was, bit for bit, including hooks and flags.

    Args:
        model: a base model, or a grafted one, whose adapters stay active.
        at: roles or patterns, as `Mixture.at`.
        seed: of `down`.

    Yields:
        The model to call, and the second factors by the names of their modules.
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
        grafted.eval()  # new modules are in training mode
        try:
            yield grafted, find_adapter_parameters(grafted, NAME, only="up")
        finally:
            grafted.unload()
            # PEFT leaves this attribute, and would take a later graft for a second one.
            vars(model).pop("peft_config", None)


@contextmanager
def _add_probe(model: PeftModel, mixtures: Sequence[Mixture]) -> Iterator[None]:
    before = list(model.active_adapters)
    layers = {module for module in model.modules() if isinstance(module, CoterieLayer)}
    graft(model, mixtures, adapter=NAME)
    tuner = cast(Any, model.base_model)
    try:
        tuner.set_adapter([*before, NAME])
        model.eval()
        yield
    finally:
        model.delete_adapter(NAME)
        _remove_probe_layers(model, layers)
        model.set_adapter(before[0])
        tuner.set_adapter(before)


def _remove_probe_layers(model: nn.Module, before: Set[nn.Module]) -> None:
    """Unwrap the layers that only the probe needed, which PEFT leaves in place, empty."""
    found = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if isinstance(child, CoterieLayer) and child not in before
    ]
    for parent, name, child in found:
        setattr(parent, name, child.base_layer)


def supports_probe(model: PeftModel) -> bool:
    """Return whether a probe can be added to a grafted model: not where experts replace blocks."""
    return all(
        site.mixture.main.attaches_to == "linears"
        for module in model.modules()
        if isinstance(module, CoterieLayer)
        for site in module.coterie_site.values()
    )
