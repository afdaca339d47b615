"""The "router" format: instance gates on their own, and each expert as a plain PEFT LoRA.

The folder has a program of its own, route.py, which turns a prompt into the experts' weights in
front of any server; see `coterie.extract.standalone.route`.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from coterie.extract import adapter as lora
from coterie.extract.adapters import name_experts, split_experts
from coterie.extract.fixed_task import (
    FixedTaskLora,
    get_adapter_config,
    get_adapter_layers,
    make_fixed_task_lora,
    use_single_adapter,
)
from coterie.extract.merged import copy_without_mixtures
from coterie.extract.source import ExtractRequest
from coterie.extract.standalone import route
from coterie.extract.verify import compute_largest_error, draw_tokens, verify_weights
from coterie.graft import observe
from coterie.io import save_tensors
from coterie.io import write as write_text
from coterie.mixture import Mixture
from coterie.routing.gates.instance import InstanceGate
from coterie.routing.routers.softmax import Softmax
from coterie.routing.routers.top_k import TopK
from coterie.tuner.constant_mixture import require_constant
from coterie.tuner.layer import CoterieLayer

TOLERANCE = 1e-4


@dataclass(frozen=True, kw_only=True)
class Group:
    """Modules that share one decision.

    Attributes:
        settings: of router.json.
        tensors: "weight" and perhaps "bias"; none where the weights are constant.
    """

    settings: dict[str, Any]
    tensors: Mapping[str, Tensor]


def write(request: ExtractRequest, folder: Path) -> dict[str, Any]:
    """Write and verify the router and the experts' folders, and return the report."""
    model, adapter = request.model, request.adapter
    config, layers = get_adapter_config(model, adapter), get_adapter_layers(model, adapter)
    task = config.tasks.index(request.task) if request.task in config.tasks else None
    gate = check_mixtures(
        {name: each.coterie_site[adapter].mixture for name, each in layers.items()}
    )
    groups = make_groups(layers, adapter, task)
    settings = {
        "norm": gate.norm, "span": gate.span, **describe_embedding(model.get_base_model()),
        "groups": [group.settings for group in groups],
    }  # fmt: skip
    write_text(folder / "router.json", json.dumps(settings, indent=2) + "\n")
    tensors = {
        f"{number}.{name}": tensor
        for number, group in enumerate(groups)
        for name, tensor in group.tensors.items()
    }
    save_tensors(tensors, folder / "router.safetensors")
    shutil.copyfile(str(route.__file__), folder / "route.py")
    report = write_experts(request, layers, folder) | compare_decisions(request, folder, groups)
    gates = sum(bool(group.tensors) for group in groups)
    return report | {"gates": gates, "one_scale_a_request": len(groups) == gates == 1}


def check_mixtures(mixtures: Mapping[str, Mixture]) -> InstanceGate:
    """Return the instance gate. Raises ValueError with the reason if it does not stand alone."""
    kinds = [mixture.gate for mixture in mixtures.values()]
    gates = {gate for gate in kinds if isinstance(gate, InstanceGate)}
    if not gates:
        names = sorted({"none" if gate is None else type(gate).__name__ for gate in kinds})
        raise ValueError(
            "format='router' is for an InstanceGate, which decides from the prompt; the gates here "
            f"are {', '.join(names)}"
        )
    if any(gate.pool == "hidden" for gate in gates):
        raise ValueError(
            "format='router': InstanceGate(pool='hidden') reads a layer's input, which only the "
            "model itself computes; pool='embedding' stands alone"
        )
    if len({(gate.norm, gate.span) for gate in gates}) > 1:
        raise ValueError("format='router': the instance gates differ in norm or span")
    for name, mixture in mixtures.items():
        if isinstance(mixture.gate, InstanceGate):
            check_routed(name, mixture)
        else:
            require_constant(mixture, name)
    return next(iter(gates))


def check_routed(name: str, mixture: Mixture) -> None:
    """Raise ValueError for an instance-gated mixture that route.py does not compute."""
    router = mixture.router
    is_plain = isinstance(router, Softmax) or (
        isinstance(router, TopK)
        and not (router.epsilon or router.closed or router.noise_in_evaluation)
        and router.normalize != "none"
    )
    wrong = {
        f"the router {router!r}": not is_plain,
        "blend='softmax'": mixture.blend == "softmax",
        "two kinds of experts": len(mixture.kinds) > 1,
        f"{type(mixture.main).__name__} experts": not mixture.main.is_low_rank,
    }
    if found := [what for what, is_so in wrong.items() if is_so]:
        raise ValueError(
            f"format='router': {name} has {' and '.join(found)}, which route.py does not compute"
        )


def make_groups(layers: Mapping[str, CoterieLayer], adapter: str, task: int | None) -> list[Group]:
    """Return the groups of modules with one decision, in the order of their gates."""
    groups: dict[str, Group] = {}
    for name, layer in layers.items():
        site = layer.coterie_site[adapter]
        mixture = site.mixture
        if not isinstance(mixture.gate, InstanceGate):
            share = make_fixed_task_lora(name, layer, adapter, task)
            key = f"constant {share.combine_weights} {mixture.shared is not None}"
            if key not in groups:
                names = name_experts(
                    len(share.combine_weights), has_shared=mixture.shared is not None
                )
                weights = list(share.combine_weights)
                settings: dict[str, Any] = {"modules": [], "adapters": names, "weights": weights}
                groups[key] = Group(settings=settings, tensors={})
        else:
            key = site.layer_site.tie_group
            if key not in groups:
                gate: Any = layer.coterie_gate[adapter]
                groups[key] = Group(settings=describe_mixture(mixture), tensors=copy_gate(gate))
        groups[key].settings["modules"].append(name)
    return list(groups.values())


def describe_mixture(mixture: Mixture) -> dict[str, Any]:
    """Return how logits become weights, for route.py."""
    router: Any = mixture.router
    count, is_softmax = mixture.num_experts, isinstance(router, Softmax)
    has_shared = mixture.shared is not None
    return {
        "modules": [],
        "adapters": name_experts(count + has_shared, has_shared=has_shared),
        "k": count if is_softmax else router.k,
        "over_all": is_softmax or router.normalize == "all",
        "temperature": router.temperature,
        "shared": mixture.blend if has_shared else None,
        "exponent": mixture.weight_exponent,
    }


def copy_gate(gate: Any) -> dict[str, Tensor]:
    """Return a gate's weights, in float32."""
    found = {"weight": gate.weight} | ({} if gate.bias is None else {"bias": gate.bias})
    return {name: each.detach().float().cpu().contiguous() for name, each in found.items()}


@torch.no_grad()
def describe_embedding(base_model: Any) -> dict[str, Any]:
    """Return the end of the embedding table's name in files, and by what its rows are multiplied.

    Gemma multiplies them by the root of their width.
    """
    embedding: Any = base_model.get_input_embeddings()
    names = [name for name, module in base_model.named_modules() if module is embedding]
    ids = draw_tokens(base_model, 1)
    scale = embedding(ids).float().norm() / embedding.weight[ids].float().norm()
    return {"embedding": f"{names[0].rpartition('.')[2]}.weight", "embedding_scale": scale.item()}


def write_experts(
    request: ExtractRequest, layers: Mapping[str, CoterieLayer], folder: Path
) -> dict[str, Any]:
    """Write each expert as a LoRA, read them again, and return the largest error."""
    model, adapter = request.model, request.adapter
    base_model, config = copy_without_mixtures(model, adapter), get_adapter_config(model, adapter)
    shares = []
    for name, layer in layers.items():
        site, experts = layer.coterie_site[adapter], cast(Any, layer.coterie_experts[adapter])
        factors = site.mixture.main.get_low_rank_factors(experts)
        ones = (1.0,) * len(factors.ranks)
        tower = site.layer_site.tower
        shares.append(FixedTaskLora(name=name, tower=tower, factors=factors, combine_weights=ones))
    has_shared = {
        n: each.coterie_site[adapter].mixture.shared is not None for n, each in layers.items()
    }
    experts = split_experts(shares, has_shared)
    lora.check(base_model, config)
    errors = []
    for expert in experts:
        (folder / expert.name).mkdir()
        lora.save(base_model, expert.parts, config, folder / expert.name)
        errors.append(lora.verify(base_model, expert.parts, folder / expert.name))
    report: dict[str, Any] = verify_weights(max(errors), torch.float32)
    return report | {"adapters": [expert.name for expert in experts]}


@torch.no_grad()
def compare_decisions(
    request: ExtractRequest, folder: Path, groups: Sequence[Group]
) -> dict[str, Any]:
    """Compare the written router's decisions with the model's, for prompts of random tokens.

    Raises RuntimeError if they differ.
    """
    model = request.model
    base: Any = model.get_base_model()
    ids, table = draw_tokens(base, 4), base.get_input_embeddings().weight
    tasks = get_adapter_config(model, request.adapter).tasks
    of_task = {"coterie_task_ids": torch.zeros(4, dtype=torch.int64)} if tasks else {}
    with use_single_adapter(model, request.adapter), observe(model) as tape:
        model(input_ids=ids, attention_mask=torch.ones_like(ids), **of_task)
    router, errors = route.PromptRouter(folder), [0.0]
    mean = table[ids].float().mean(1).cpu() * router.settings["embedding_scale"]
    for number, group in enumerate(groups):
        if group.tensors:
            routed = router.decide(mean, number, {**group.settings, "shared": None, "exponent": 1})
            wanted = tape[group.settings["modules"][0]].weights.float().cpu()
            errors.append(compute_largest_error(routed, wanted))
    if not max(errors) <= TOLERANCE:
        raise RuntimeError(
            f"the router's weights differ from the model's by {max(errors):.1e}, where "
            f"{TOLERANCE:.0e} is allowed: the base model's embeddings are not rows of its table"
        )
    return {"router_error": max(errors), "router_tolerance": TOLERANCE}
