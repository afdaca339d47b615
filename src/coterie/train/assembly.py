"""A model assembled of separately trained ones: experts from their MLPs, and their connectors."""

from collections.abc import Sequence

import torch
from peft import PeftModel
from torch import nn

from coterie.distributed import print_message
from coterie.train.expert_sources import ExpertSource, list_layers
from coterie.train.trainable import ADAPTER_NAME
from coterie.tuner.layer import get_base_parameter_name

SHOWN = 3
"""Names that a message lists at most."""


def assemble(model: PeftModel, sources: Sequence[ExpertSource]) -> list[str]:
    """Start expert e from source e, in turn if there are more experts, and merge base weights.

    Only mixtures with a gate have such experts. Returns the names of the base parameters that
    were set. What is not taken of a source is printed.

    Raises ValueError for experts that cannot start from models, and for a source without a change
    of any module that has experts.
    """
    used: dict[str, set[str]] = {source.name: set() for source in sources}
    for place, layer in list_layers(model):
        mixture = layer.coterie_site[ADAPTER_NAME].mixture
        for number in range(mixture.num_experts if mixture.gate is not None else 0):
            source = sources[number % len(sources)]
            mine = {
                name.removeprefix(f"{place}."): change
                for name, change in source.changes.items()
                if name.startswith(f"{place}.")
            }
            used[source.name].update(f"{place}.{name}" for name in mine)
            try:
                mixture.main.start_expert(layer.coterie_experts[ADAPTER_NAME], number, mine)
            except ValueError as error:
                raise ValueError(f"{source.name}, {place}: {error}") from None
    for number, source in enumerate(sources, 1):
        describe(number, source, used[source.name])
    return merge_base_weights(model, sources)


def describe(number: int, source: ExpertSource, used: set[str]) -> None:
    """Print what an expert starts from, and what is not taken of it. ValueError for nothing."""
    rest = [name for name in source.changes if name not in used]
    if not used:
        has = f"; it changed {', '.join(rest[:SHOWN])}" if rest else ""
        raise ValueError(
            f"{source.name} changed no module that has experts{has}: train a LoRA on the MLPs that "
            "become experts"
        )
    print_message(f"expert {number} starts from {source.name}: {len(used)} changed weights")
    if rest:
        print_message(
            f"not taken from {source.name}: {len(rest)} changes of modules without experts, such "
            f"as {', '.join(rest[:SHOWN])}"
        )
    for note in source.notes:
        print_message(f"{source.name}: {note}")


@torch.no_grad()
def merge_base_weights(model: nn.Module, sources: Sequence[ExpertSource]) -> list[str]:
    """Set the base parameters that sources trained: the one's value, or the mean of several.

    Returns their names in the model.
    """
    own = {
        get_base_parameter_name(name): (name, parameter)
        for name, parameter in model.named_parameters()
        if ".coterie_" not in name
    }
    found, several = [], []
    for base_name in dict.fromkeys(name for each in sources for name in each.base_weights):
        name, parameter = own[base_name]
        values = [
            value
            for each in sources
            if (value := each.base_weights.get(base_name)) is not None
            and not torch.equal(value.to(parameter), parameter)
        ]
        found.append(name)
        if len(values) > 1:
            several.append(base_name)
            parameter.copy_(torch.stack([each.float() for each in values]).mean(0))
        elif values:
            parameter.data = values[0].to(parameter.device)
    if several:
        print_message(
            f"{len(several)} weights of the base model were trained by several of the models, and "
            f"start from their mean: {', '.join(several[:SHOWN])}"
        )
    return found
