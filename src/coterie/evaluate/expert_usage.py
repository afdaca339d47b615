"""Which experts each task uses, counted while prompts are read."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Bool
from peft import PeftModel
from torch import Tensor, nn

from coterie.experts.lora import Lora
from coterie.graft import observe
from coterie.mixture import Mixture
from coterie.routing.decision import Routing, Tape
from coterie.tuner.layer import CoterieLayer


@dataclass
class _LayerSums:
    """One layer's sums over units: [experts] in float64, or 0 before any; and how many units."""

    weights: Tensor
    choices: Tensor
    probs: Tensor
    num_units: int = 0


@dataclass
class ExpertUsage:
    """Mean weight and probability of each expert, and share of units that chose it, by layer.

    A unit is a token, or a sample where one decision serves it whole. Padding does not count.
    """

    layers: dict[str, _LayerSums] = field(default_factory=dict)

    def add(self, tape: Tape) -> None:
        """Counts one forward pass."""
        for layer, routing in tape.items():
            weights, probs = (
                _drop_padding(routing.weights, routing),
                _drop_padding(routing.probs, routing),
            )
            none = torch.zeros(weights.shape[1])
            sums = self.layers.setdefault(layer, _LayerSums(none, none, none))
            sums.weights = sums.weights + weights.sum(0)
            sums.choices = sums.choices + (weights != 0).double().sum(0)
            sums.probs = sums.probs + probs.sum(0)
            sums.num_units += weights.shape[0]

    def dump(self) -> dict[str, dict[str, list[float]]]:
        """layer -> "mean", "chosen" and "probability": a weight, a share, a mean an expert."""
        return {
            layer: {
                "mean": (sums.weights / max(1, sums.num_units)).tolist(),
                "chosen": (sums.choices / max(1, sums.num_units)).tolist(),
                "probability": (sums.probs / max(1, sums.num_units)).tolist(),
            }
            for layer, sums in self.layers.items()
        }


def _drop_padding(values: Tensor, routing: Routing) -> Tensor:
    kept = values if routing.valid is None else values[routing.valid]
    return kept.detach().double().cpu()


@contextmanager
def record_prompt_usage(model: nn.Module, usage: ExpertUsage | None) -> Iterator[None]:
    """Adds to `use` what the mixtures decide in the first forward pass inside: the prompt's.

    Later passes, an answer's tokens one by one, do not count. Nothing happens if `use` is None.
    """
    if usage is None:
        yield
        return
    host = model.get_base_model() if isinstance(model, PeftModel) else model
    with observe(model) as tape:

        def read(*_: Any) -> None:
            handle.remove()
            usage.add(tape)

        handle = host.register_forward_hook(read)
        try:
            yield
        finally:
            handle.remove()


def split_by_task(tape: Tape) -> dict[int, Tape]:
    """Task -> what was decided for its units, of a pass that holds several tasks.

    Layers that were not told the tasks of their units are left out.
    """
    found: dict[int, Tape] = {}
    for layer, routing in tape.items():
        if routing.task is None:
            continue
        for task in routing.task.unique().tolist():
            found.setdefault(task, Tape())[layer] = _select_units(routing, routing.task == task)
    return found


def _select_units(routing: Routing, mine: Bool[Tensor, " units"]) -> Routing:
    """What was decided for some of the units."""
    parts = {name: value[mine] for name, value in vars(routing).items() if torch.is_tensor(value)}
    return replace(routing, **parts)


def find_active_mixtures(model: nn.Module) -> dict[str, Mixture]:
    """Layer -> the mixture of the adapter that is active there."""
    return {
        site.layer_site.name: site.mixture
        for module in model.modules()
        if isinstance(module, CoterieLayer)
        for adapter, site in module.coterie_site.items()
        if adapter in module.active_adapters
    }


def make_expert_names(mixture: Mixture) -> list[str]:
    """What a reader may call each expert: "rank 8", or its kind and number."""
    found = []
    for kind in mixture.kinds:
        match kind:
            case Lora(ranks=ranks):
                found += [f"rank {rank}" for rank in ranks]
            case _:
                word = type(kind).__name__.lower()
                found += [f"{word} {number + 1}" for number in range(kind.count)]
    return found


def make_usage_table(
    model_labels: Mapping[str, list[str]], by_task: Mapping[str, Any]
) -> dict[str, Any]:
    """Return layer -> its experts' names and, by task, what `ExpertUsage.dump` has.

    Args:
        model_labels: layer -> `labels` of its mixture.
        by_task: task -> what `Use.dump` gave.
    """
    layers: dict[str, Any] = {}
    for layer, experts in model_labels.items():
        seen = {task: use[layer] for task, use in by_task.items() if layer in use}
        if seen:
            layers[layer] = {
                "experts": experts,
                "mean_weight": {task: use["mean"] for task, use in seen.items()},
                **{
                    name: {task: use[name] for task, use in seen.items()}
                    for name in ("chosen", "probability")
                },
            }
    return {"layers": layers}
