"""The names of a model's experts, and the table of their usage in routing.json."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import nn

from coterie.mixture import Mixture
from coterie.routing.usage import UsageStatistics
from coterie.tuner.layer import CoterieLayer
from coterie.tuner.parts import AdapterPart


def find_active_mixtures(model: nn.Module) -> dict[str, Mixture]:
    """Return layer -> the mixture of the adapter that is active there."""
    return {
        part.site.layer_site.name: part.site.mixture
        for _, parts in find_active_parts(model)
        for part in parts
    }


def find_active_parts(model: nn.Module) -> Iterator[tuple[CoterieLayer, list[AdapterPart]]]:
    """Yield each layer that has mixtures, with those of the adapters that are active there."""
    for module in model.modules():
        if isinstance(module, CoterieLayer):
            active = [each for each in module.coterie_site if each in module.active_adapters]
            yield module, [part for each in active for part in module.get_parts(each)]


def make_expert_names(mixture: Mixture) -> list[str]:
    """Return the name of each expert, those without weights included, in the router's order."""
    return [name for kind in mixture.kinds for name in kind.get_names()]


def make_usage_table(
    expert_names: Mapping[str, Sequence[str]],
    by_task: UsageStatistics,
    by_modality: UsageStatistics | None = None,
) -> dict[str, Any]:
    """Return routing.json: "experts" (names) and statistic -> task -> numbers, of used layers.

    "modalities" has the same by modality, if tokens of several were seen.
    """
    found = {each for layer in (by_modality or {}).values() for each in layer["mean_weight"]}
    tables = {"layers": by_task} | ({"modalities": by_modality or {}} if len(found) > 1 else {})
    return {
        key: {
            layer: {"experts": list(names), **usage[layer]}
            for layer, names in expert_names.items()
            if layer in usage
        }
        for key, usage in tables.items()
    }
