"""One task of a mixture that reads its tokens, as a smaller mixture of the experts it uses."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor

from coterie.dense.model import MultiTaskVisionModel
from coterie.dense.pruned import PrunedVisionModel
from coterie.dense.pruned_config import PrunedVisionConfig
from coterie.dense.pruned_layer import PrunedMixtureLayer, list_weighted_experts
from coterie.extract.keeping import PruningOptions, select_experts_to_keep
from coterie.extract.merged import copy_without_mixtures, is_quantized
from coterie.extract.task import get_adapter_config, get_adapter_layers
from coterie.mixture import Mixture
from coterie.routing.gates.task import TaskGate
from coterie.routing.routers.top_k import TopK
from coterie.spec import dump

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
    tasks' gates, vectors and heads go, and of the experts what `coterie.extract.keeping` says.

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
        mine = kind.rows(rows, of=len(use[name]["chosen"]))
        weights[f"{name}.gate.weight"] = gate.weight[index : index + 1, mine]
        whole = list_weighted_experts(close_experts(layer.coterie_site[adapter].mixture, stay[name]))
        weights |= select_expert_weights(name, target, layer.coterie_experts[adapter], whole)
    weights = {name: weight.detach().clone().contiguous() for name, weight in weights.items()}
    small.vision.load_state_dict(weights, assign=True)
    return small.eval()


def check(model: PeftModel, task: str, adapter: str) -> int:
    """The task's number. Raises ValueError if a model cannot be pruned, saying why."""
    config, host = get_adapter_config(model, adapter), model.get_base_model()
    if not isinstance(host, MultiTaskVisionModel):
        raise ValueError(
            f"form='pruned' cuts tasks out of coterie.dense.MultiTaskVision, and this is a "
            f"{type(host).__name__}: use form='adapter' or 'merged' there"
        )
    if is_quantized(host):
        raise ValueError("form='pruned' needs the host's weights as they are: load it unquantised")
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
            f"mixture {position} (at={mixture.at!r}) has {' and '.join(found)}; form='pruned' "
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
        found[name] = select_experts_to_keep(chosen, mixture.router.get_max_active(mixture.num_experts), threshold)
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
