"""Gates by modality, for one task: constant where its modalities have the same weights."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

from peft import PeftModel

from coterie import serialization
from coterie.extract.fixed_task import get_adapter_config, get_adapter_layers
from coterie.mixture import Mixture
from coterie.routing.gates.by_modality import ByModality
from coterie.train import Run


def select_modalities(model: PeftModel, adapter: str, run: Run, task: str) -> None:
    """Leave of a model's gates by modality what the task's tokens need, where that is constant.

    So a task of text alone is one LoRA, also in a model where pictures have other weights. Which
    modalities a task has is read from its training rows; where they are gone, nothing changes.
    """
    with suppress(ValueError, OSError):
        modalities = run.config.tasks.select([task]).find_modalities()[task]
        config = get_adapter_config(model, adapter)
        for layer in get_adapter_layers(model, adapter).values():
            site = layer.coterie_site[adapter]
            mixture = select_in_mixture(site.mixture, modalities)
            layer.coterie_site[adapter] = replace(site, mixture=mixture)
            if mixture != site.mixture:
                gate: Any = layer.coterie_gate[adapter]
                gate.gate = mixture.gate
        config.mixtures = [
            serialization.dump(select_in_mixture(each, modalities))
            for each in config.parse_mixtures()
        ]


def select_in_mixture(mixture: Mixture, modalities: tuple[str, ...]) -> Mixture:
    """Return a mixture with the constant gate of these modalities; as it is if there is none."""
    if not isinstance(mixture.gate, ByModality):
        return mixture
    gate = mixture.gate.select(modalities, mixture.num_logits)
    return replace(mixture, gate=gate) if gate.depends_on_task_only else mixture
