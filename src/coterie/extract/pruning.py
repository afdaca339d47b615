"""One task of a mixture that reads its tokens, as a smaller mixture of the experts it uses."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor

from coterie.extract.fixed_task import get_adapter_config, get_adapter_layers
from coterie.extract.merged import copy_without_mixtures, is_quantized
from coterie.mixture import Mixture
from coterie.models.multitask_vision.modeling import MultiTaskVisionModel
from coterie.models.pruned_vision.configuration import PrunedVisionConfig
from coterie.models.pruned_vision.modeling import (
    PrunedMixtureLayer,
    PrunedVisionModel,
    list_weighted_experts,
)
from coterie.routing.gates.task import TaskGate
from coterie.routing.routers.top_k import TopK
from coterie.serialization import dump


@dataclass(frozen=True, kw_only=True)
class PruningOptions:
    """How much is cut away.

    Attributes:
        threshold: an expert stays if its share of the task's choices is above this, divided by
            the experts that a token uses. 0.03 in Mod-Squad's code. 0 or more; at 0 only experts
            that were never chosen go.
        exact: keep the gate's rows of the experts that go, `width` numbers each. Then the softmax
            still runs over all experts, and nothing changes for tokens whose experts all stay.
            Departs: Mod-Squad's code cuts the rows off, which is False here; its softmax over
            those that stay makes all their weights larger, even if no expert that went was ever
            chosen.
    """

    threshold: float = 0.03
    exact: bool = True

    def __post_init__(self) -> None:
        if not self.threshold >= 0:
            raise ValueError(f"Pruning(threshold={self.threshold!r}): give 0 or more, as 0.03")


def select_experts_to_keep(
    chosen: Sequence[float], active: int, threshold: float
) -> tuple[int, ...]:
    """Numbers of the experts that stay, in their order: Mod-Squad's rule (`main_pruning.py`).

    An expert stays if its share of all choices is above threshold / active, and the `active` most
    chosen stay in any case, of equals the first.

    Args:
        chosen: how often, or by which share of units, each expert was chosen; not all 0. Departs:
            Mod-Squad's code takes a running mean of counts (decay 0.95) from training; this is
            whatever was measured, by default exactly, over all rows.
        active: the experts that a token uses.
        threshold: 0 or more.

    Raises ValueError if nothing was chosen.
    """
    total = sum(chosen)
    if not total > 0:
        raise ValueError(
            "no expert was ever chosen in the use that was given: measure it on at least one row"
        )
    order = sorted(range(len(chosen)), key=lambda number: (-chosen[number], number))
    above = {number for number in order if chosen[number] / total > threshold / active}
    return tuple(sorted(above | set(order[:active])))


def compute_lost_choices(
    use: Mapping[str, Mapping[str, Sequence[float]]], stay: Mapping[str, Sequence[int]]
) -> dict[str, float]:
    """Layer -> share of the task's choices that fell on experts that go, in [0, 1].

    Where it is exactly 0 in all layers, no token that was measured would have chosen otherwise.

    Args:
        use: layer -> {"chosen": share of units by expert}.
        stay: layer -> numbers of the experts that stay.
    """
    found = {}
    for name, numbers in stay.items():
        chosen = use[name]["chosen"]
        gone = sum(share for number, share in enumerate(chosen) if number not in numbers)
        found[name] = gone / sum(chosen)
    return found


LayerUse = Mapping[str, Sequence[float]]


def prune(
    model: PeftModel,
    *,
    task: str,
    use: Mapping[str, LayerUse],
    pruning: PruningOptions | None = None,
    adapter: str = "default",
) -> PrunedVisionModel:
    """A model of one task with the experts that the task uses, its weights copied.

    A token that would have chosen an expert that went chooses the next best of those that stay.
    Where no token does, and the pruning is exact, the answers are those of the whole model asked
    for this task alone, bit for bit on a CPU in float32 (of widths that divide by 16, as elsewhere
    the experts' weights lie differently in memory, and products round by that).

    Source: Mod-Squad (CVPR 2023), section on pruning, and `main_pruning.py` of its code: other
    tasks' gates, vectors and heads go, and of the experts what `coterie.extract.pruning` says.

    Args:
        model: a grafted `MultiTaskVision`; see `check` for the mixtures that fit.
        task: the task's name.
        use: layer -> {"chosen": share of units by expert}, of this task: `Use.dump()`.
        pruning: None for `Pruning()`.

    Raises ValueError for a model that does not fit, an unknown task, or layers missing in `use`.
    """
    index = check(model, task, adapter)
    pruning = pruning or PruningOptions()
    layers = get_adapter_layers(model, adapter)
    stay = select_remaining_experts(model, use, pruning.threshold, adapter)
    host: Any = copy_without_mixtures(model, adapter)
    config = copy.deepcopy(host.config)
    config.tasks = [config.tasks[index]]
    mixtures = {
        name: prune_mixture(layer.coterie_site[adapter].mixture, stay[name], exact=pruning.exact)
        for name, layer in layers.items()
    }
    dumped = {name: dump(mixture) for name, mixture in mixtures.items()}
    small = PrunedVisionModel(PrunedVisionConfig(vision_config=config, mixtures=dumped))
    weights = select_base_weights(host.state_dict(), index, tuple(layers))
    for name, layer in layers.items():
        target: Any = small.vision.get_submodule(name)
        rows = range(len(use[name]["chosen"])) if pruning.exact else stay[name]
        gate: Any = layer.coterie_gate[adapter]
        kind: Any = mixtures[name].gate
        mine = kind.select_rows(rows, total=len(use[name]["chosen"]))
        weights[f"{name}.gate.weight"] = gate.weight[index : index + 1, mine]
        whole = list_weighted_experts(
            close_experts(layer.coterie_site[adapter].mixture, stay[name])
        )
        weights |= select_expert_weights(name, target, layer.coterie_experts[adapter], whole)
    weights = {name: weight.detach().clone().contiguous() for name, weight in weights.items()}
    small.vision.load_state_dict(weights, assign=True)
    return small.eval()


def check(model: PeftModel, task: str, adapter: str) -> int:
    """The task's number. Raises ValueError if a model cannot be pruned, saying why."""
    config, host = get_adapter_config(model, adapter), model.get_base_model()
    if not isinstance(host, MultiTaskVisionModel):
        raise ValueError(
            f"format='pruned' cuts tasks out of coterie.models.MultiTaskVisionModel, and this is a "
            f"{type(host).__name__}: use format='adapter' or 'merged' there"
        )
    if is_quantized(host):
        raise ValueError(
            "format='pruned' needs the host's weights as they are: load it unquantised"
        )
    if task not in config.tasks:
        raise ValueError(f"task={task!r}: the adapter's tasks are {', '.join(config.tasks)}")
    for position, mixture in enumerate(config.parse_mixtures()):
        reject_unprunable(mixture, position)
    return config.tasks.index(task)


def reject_unprunable(mixture: Mixture, position: int) -> None:
    """Raises ValueError if `mixture` is not one whose experts can be left out."""
    wrong = {
        "experts that need the host's weights": mixture.main.uses_base_weights,
        "two kinds of experts": len(mixture.kinds) > 1,
        f"a {type(mixture.gate).__name__}": not isinstance(mixture.gate, TaskGate),
        "a gate with noise in evaluation": isinstance(mixture.gate, TaskGate)
        and mixture.gate.noise_in_evaluation,
        f"a {type(mixture.router).__name__} router": not isinstance(mixture.router, TopK),
    }
    found = [what for what, is_so in wrong.items() if is_so]
    if found:
        raise ValueError(
            f"mixture {position} (at={mixture.at!r}) has {' and '.join(found)}; format='pruned' "
            "needs Copies(trained='full') or Queries(replace=True), a TaskGate without noise in "
            "evaluation, and TopK"
        )


def select_remaining_experts(
    model: PeftModel, use: Mapping[str, LayerUse], threshold: float, adapter: str
) -> dict[str, tuple[int, ...]]:
    """Layer -> numbers of the experts that stay. Raises ValueError if `use` does not fit."""
    found = {}
    for name, layer in get_adapter_layers(model, adapter).items():
        mixture = layer.coterie_site[adapter].mixture
        chosen = use.get(name, {}).get("chosen", ())
        if len(chosen) != mixture.num_experts:
            raise ValueError(
                f"use has {len(chosen)} shares for {name}, which has {mixture.num_experts} "
                "experts: give what was measured on this model, with evaluate.use_by_task"
            )
        found[name] = select_experts_to_keep(
            chosen, mixture.router.get_max_active(mixture.num_experts), threshold
        )
    return found


def close_experts(mixture: Mixture, stay: Sequence[int]) -> Mixture:
    """The mixture with all experts closed but those that stay."""
    closed = tuple(number for number in range(mixture.num_experts) if number not in stay)
    assert isinstance(mixture.router, TopK)
    return replace(mixture, router=replace(mixture.router, closed=closed))


def prune_mixture(mixture: Mixture, stay: Sequence[int], *, exact: bool) -> Mixture:
    """The pruned model's mixture: experts closed, or where not exact, as if never there."""
    if exact:
        return close_experts(mixture, stay)
    main: Any = mixture.main
    router = mixture.router
    assert isinstance(router, TopK)
    return replace(
        mixture, experts=replace(main, count=len(stay)), router=replace(router, closed=())
    )


def select_base_weights(
    weights: Mapping[str, Tensor], index: int, replaced: Sequence[str]
) -> dict[str, Tensor]:
    """The host's weights for one task, without the modules that mixtures replace."""
    inside = tuple(f"{name}." for name in replaced)
    head = f"heads.{index}."
    found = {}
    for name, weight in weights.items():
        if name.startswith(inside) or (name.startswith("heads.") and not name.startswith(head)):
            continue
        mine = weight[index : index + 1] if name.startswith("embeddings.") else weight
        found[name.replace(head, "heads.0.", 1) if name.startswith(head) else name] = mine
    return found


def select_expert_weights(
    name: str, target: PrunedMixtureLayer, source: torch.nn.Module, stay: Sequence[int]
) -> dict[str, Tensor]:
    """Experts' weights by their names in the pruned model; those that experts share stay whole."""
    wanted = target.experts.state_dict()
    return {
        f"{name}.experts.{key}": weight if weight.shape == wanted[key].shape else weight[list(stay)]
        for key, weight in source.state_dict().items()
    }
