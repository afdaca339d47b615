"""`prune`: one task of a token-routed mixture as a smaller mixture of the experts it uses."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from peft import PeftModel
from torch import Tensor

from coterie.extract.expert_selection import LayerUse, PruningOptions, select_experts_to_keep
from coterie.extract.fixed_task import get_adapter_config, get_adapter_layers
from coterie.extract.merged import copy_without_mixtures
from coterie.mixture import Mixture
from coterie.models.multitask_vision.modeling import MultiTaskVisionModel
from coterie.models.pruned_vision.modeling import (
    PrunedVisionConfig,
    PrunedVisionModel,
    list_weighted_experts,
)
from coterie.models.quantization import is_quantized
from coterie.routing.gates.task import TaskGate
from coterie.routing.routers.top_k import TopK
from coterie.serialization import dump


def prune(
    model: PeftModel,
    *,
    task: str,
    use: Mapping[str, LayerUse],
    pruning: PruningOptions | None = None,
    adapter: str = "default",
) -> PrunedVisionModel:
    """Copy one task's part of a model, with the experts that the task uses.

    A token that would have chosen a removed expert chooses the next best remaining one. Where no
    token does, and the pruning is exact, the outputs equal those of the full model for this task
    alone, bit for bit on a CPU in float32 (for widths divisible by 16; otherwise the experts'
    weights have another memory layout, and products round differently).
    Source: Mod-Squad (CVPR 2023), section on pruning, and `main_pruning.py` of its code: other
    tasks' gates, embeddings and heads are removed, and the experts that
    `coterie.extract.expert_selection` does not select.

    Args:
        model: a grafted `MultiTaskVisionModel`; see `check` for the mixtures that fit.
        use: layer -> {"chosen": share of units by expert}, of this task.
        pruning: None for `PruningOptions()`.

    Raises ValueError for a model that does not fit, an unknown task, or layers missing in `use`.
    """
    index, pruning = check(model, task, adapter), pruning or PruningOptions()
    layers = get_adapter_layers(model, adapter)
    stay = select_remaining_experts(model, use, pruning.threshold, adapter)
    base_model: Any = copy_without_mixtures(model, adapter)
    config = copy.deepcopy(base_model.config)
    config.tasks = [config.tasks[index]]
    mixtures = {
        name: prune_mixture(layer.coterie_site[adapter].mixture, stay[name], exact=pruning.exact)
        for name, layer in layers.items()
    }
    dumped = {name: dump(mixture) for name, mixture in mixtures.items()}
    small = PrunedVisionModel(PrunedVisionConfig(vision_config=config, mixtures=dumped))
    weights = select_base_weights(base_model.state_dict(), index, tuple(layers))
    for name, layer in layers.items():
        target: Any = small.vision.get_submodule(name)
        rows = range(len(use[name]["chosen"])) if pruning.exact else stay[name]
        gate: Any = layer.coterie_gate[adapter]
        kind: Any = mixtures[name].gate
        mine = kind.select_rows(rows, total=len(use[name]["chosen"]))
        weights[f"{name}.gate.weight"] = gate.weight[index : index + 1, mine]
        # Weights that experts share have the same shape in the pruned model, and are not sliced.
        closed = close_experts(layer.coterie_site[adapter].mixture, stay[name])
        remaining, wanted = list_weighted_experts(closed), target.experts.state_dict()
        for key, weight in layer.coterie_experts[adapter].state_dict().items():
            shared = weight.shape == wanted[key].shape
            weights[f"{name}.experts.{key}"] = weight if shared else weight[remaining]
    weights = {name: weight.detach().clone().contiguous() for name, weight in weights.items()}
    small.vision.load_state_dict(weights, assign=True)
    return small.eval()


def check(model: PeftModel, task: str, adapter: str) -> int:
    """Return the task's index. Raises ValueError with the reason if a model cannot be pruned."""
    config, base_model = get_adapter_config(model, adapter), model.get_base_model()
    if not isinstance(base_model, MultiTaskVisionModel):
        raise ValueError(
            f"format='pruned' takes a {MultiTaskVisionModel.__module__}.MultiTaskVisionModel, and "
            f"this is a {type(base_model).__name__}: use format='adapter' or 'merged' there"
        )
    if is_quantized(base_model):
        raise ValueError(
            "format='pruned' needs the host's weights as they are: load it unquantised"
        )
    if task not in config.tasks:
        raise ValueError(f"task={task!r}: the adapter's tasks are {', '.join(config.tasks)}")
    for position, mixture in enumerate(config.parse_mixtures()):
        reject_unprunable(mixture, position)
    return config.tasks.index(task)


def reject_unprunable(mixture: Mixture, position: int) -> None:
    """Raise ValueError if experts of `mixture` cannot be removed."""
    wrong = {
        "experts that need the host's weights": mixture.main.uses_base_weights,
        "two kinds of experts": len(mixture.kinds) > 1,
        "shared experts other than one like the routed": mixture.shared
        not in (None, mixture.main.make_single()),
        f"a {type(mixture.gate).__name__}": not isinstance(mixture.gate, TaskGate),
        "a gate with noise in evaluation": isinstance(mixture.gate, TaskGate)
        and mixture.gate.noise_in_evaluation,
        f"a {type(mixture.router).__name__} router": not isinstance(mixture.router, TopK),
    }
    found = [what for what, is_so in wrong.items() if is_so]
    if found:
        raise ValueError(
            f"mixture {position} (at={mixture.at!r}) has {' and '.join(found)}; format='pruned' "
            "needs Copies(trained='full') or AttentionHeads(replace=True), a TaskGate "
            "without noise in evaluation, and TopK"
        )


def select_remaining_experts(
    model: PeftModel, use: Mapping[str, LayerUse], threshold: float, adapter: str
) -> dict[str, tuple[int, ...]]:
    """Return the remaining experts' indices by layer. Raises ValueError if `use` does not fit."""
    found = {}
    for name, layer in get_adapter_layers(model, adapter).items():
        mixture = layer.coterie_site[adapter].mixture
        chosen = use.get(name, {}).get("chosen", ())
        if len(chosen) != mixture.num_experts:
            raise ValueError(
                f"use has {len(chosen)} shares for {name}, which has {mixture.num_experts} "
                "experts: give what was measured on this model, with "
                "coterie.tasks.dense.expert_usage.measure_usage_by_task"
            )
        active = mixture.router.get_max_active(mixture.num_experts)
        found[name] = select_experts_to_keep(chosen, active, threshold)
    return found


def close_experts(mixture: Mixture, stay: Sequence[int]) -> Mixture:
    """Return the mixture with all experts closed except those in `stay`."""
    closed = tuple(number for number in range(mixture.num_experts) if number not in stay)
    assert isinstance(mixture.router, TopK)
    return replace(mixture, router=replace(mixture.router, closed=closed))


def prune_mixture(mixture: Mixture, stay: Sequence[int], *, exact: bool) -> Mixture:
    """Return the pruned model's mixture: experts closed, or removed where not exact."""
    if exact:
        return close_experts(mixture, stay)
    main: Any = mixture.main
    assert isinstance(mixture.router, TopK)
    router = replace(mixture.router, closed=())
    return replace(mixture, experts=replace(main, count=len(stay)), router=router)


def select_base_weights(
    weights: Mapping[str, Tensor], index: int, replaced: Sequence[str]
) -> dict[str, Tensor]:
    """Return the base model's weights for one task, without modules that mixtures replace."""
    inside, head = tuple(f"{name}." for name in replaced), f"heads.{index}."
    found = {}
    for name, weight in weights.items():
        if name.startswith(inside) or (name.startswith("heads.") and not name.startswith(head)):
            continue
        mine = weight[index : index + 1] if name.startswith("embeddings.") else weight
        found[name.replace(head, "heads.0.", 1) if name.startswith(head) else name] = mine
    return found
