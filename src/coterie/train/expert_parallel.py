"""Expert parallelism: experts that processes hold in parts, and the exchange of their gradients."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from coterie import distributed
from coterie.balancing.gradient import GradientBalancing
from coterie.experts.base import ExpertLayer
from coterie.families.base import find_family
from coterie.kernels.all_to_all import AllToAllDispatcher
from coterie.mixture import Mixture
from coterie.train.config import RunConfig
from coterie.train.sharding import get_local
from coterie.train.trainable import ADAPTER_NAME
from coterie.tuner.layer import CoterieLayer

DATA, EXPERT = "data", "expert"
"""Dimensions of the mesh of processes: replicas of an expert, and parts of the experts."""


def check(config: RunConfig) -> None:
    """Raise ValueError if a run's experts cannot be divided as its configuration asks."""
    size, world_size = config.expert_parallel, distributed.get_world_size()
    if size == 1:
        return
    problem, balancing = f"expert_parallel={size}", config.recipe.balancing
    _check_mixtures(config, problem)
    if config.compile:
        raise ValueError(
            f"{problem} with compile: a compiled graph runs all experts on all tokens, and they "
            "are in several processes. Leave one of them out"
        )
    if isinstance(balancing, GradientBalancing):
        raise ValueError(
            f"{problem} with {type(balancing).__name__}: the tasks' gradients are combined whole; "
            "leave expert_parallel out, or balance the losses, by Uncertainty"
        )
    if world_size == 1:
        distributed.print_message(
            f"note: {problem} has no effect in one process, which has all experts; start several "
            f"by torchrun --nproc-per-node {size}"
        )
    elif world_size % size:
        raise ValueError(
            f"{problem} does not divide the {world_size} processes: each expert must be in equally "
            "many; give a divisor, or start another number of processes"
        )


def _check_mixtures(config: RunConfig, problem: str) -> None:
    divisible = [each for each in config.recipe.mixtures if each.main.is_divisible]
    if not divisible:
        raise ValueError(
            f"{problem} does not fit recipe {config.recipe.name!r}, none of whose experts have all "
            "weights of their own: every process stores low-rank experts whole, because their "
            "gradients are smaller than the tokens to exchange. Leave expert_parallel out, or take "
            "Copies(trained='full')"
        )
    for mixture in divisible:
        _check_mixture(mixture, config.expert_parallel)


def _check_mixture(mixture: Mixture, size: int) -> None:
    if mixture.main.count % size:
        raise ValueError(
            f"expert_parallel={size} does not divide the {mixture.main.count} experts at "
            f"{mixture.at!r}: give a divisor of it, or another number of experts"
        )
    if mixture.shared is not None:
        raise ValueError(
            f"expert_parallel={size} with a shared expert at {mixture.at!r}: one process would "
            "run it on the tokens of all. Leave expert_parallel or shared out"
        )


def is_used(config: RunConfig) -> bool:
    """Return whether a run's experts are divided among the processes there are."""
    return config.expert_parallel > 1 and distributed.get_world_size() > 1


def shard_experts(model: PeftModel, size: int, device: torch.device) -> tuple[nn.Parameter, ...]:
    """Keep every `size`-th part of a grafted model's experts here, and exchange tokens with others.

    Consecutive ranks hold the parts of one set of experts, so that tokens stay within a node where
    `size` is at most its number of GPUs. The stacked weights become DTensors on a (data, expert)
    mesh, and are returned: none if no mixture of the stage has several experts.

    Raises ValueError for experts of a tower that does not run in every process's batches.
    """
    towers = _find_towers(model)
    layers = [*_find_divisible_layers(model, towers, size)]
    if not layers:
        return ()
    from torch.distributed.device_mesh import init_device_mesh

    shape = (distributed.get_world_size() // size, size)
    mesh = init_device_mesh(device.type, shape, mesh_dim_names=(DATA, EXPERT))
    placed = [part for layer in layers for part in shard_layer(layer, mesh, device)]
    if "text" in towers:
        # A process without media may train nothing below the first experts. It would leave out an
        # exchange of the backward pass, for which the others wait.
        base: Any = model.get_base_model()
        base.enable_input_require_grads()
    return tuple(placed)


def shard_layer(layer: ExpertLayer, mesh: Any, device: torch.device) -> list[nn.Parameter]:
    """Keep this process's part of a layer's stacked weights, in place, and exchange tokens."""
    from torch.distributed.tensor import Replicate, Shard

    layer.dispatcher = AllToAllDispatcher(mesh.get_group(EXPERT))
    size, rank, placed = mesh.size(1), mesh.get_local_rank(EXPERT), []
    for name, whole in list(layer.named_parameters()):
        # Cut before it is moved: a device need not hold all experts at any time.
        own = whole.data.chunk(size)[rank].contiguous().to(device, copy=True)
        part = DTensor.from_local(own, mesh, [Replicate(), Shard(0)], run_check=False)
        layer.register_parameter(name, nn.Parameter(part, requires_grad=whole.requires_grad))
        placed.append(layer.get_parameter(name))
    return placed


def _find_towers(model: PeftModel) -> set[str]:
    base = model.get_base_model()
    family = find_family(base)
    return {family.get_tower(name) for name, _ in base.named_modules()} if family else {"text"}


def _find_divisible_layers(
    model: PeftModel, towers: Collection[str], size: int
) -> Iterator[ExpertLayer]:
    for layer in model.modules():
        if not isinstance(layer, CoterieLayer) or ADAPTER_NAME not in layer.coterie_site:
            continue
        site, experts = layer.coterie_site[ADAPTER_NAME], layer.coterie_experts[ADAPTER_NAME]
        if site.mixture.main.is_divisible:
            _check_mixture(site.mixture, size)  # a stage may have mixtures of its own
            if "text" in towers and site.layer_site.tower != "text":
                raise ValueError(_describe_tower(site.mixture, site.layer_site.tower))
            assert isinstance(experts, ExpertLayer)
            yield experts


def _describe_tower(mixture: Mixture, tower: str) -> str:
    return (
        f"expert_parallel with experts at {mixture.at!r}: the {tower} tower does not run in a "
        "process whose batch has no media for it, and others would wait for its experts. Leave "
        "expert_parallel out, or take experts of the language model"
    )


@torch.no_grad()
def reduce_gradients(model: nn.Module) -> None:
    """Average a step's gradients over processes, but those that FSDP has averaged already.

    An expert's gradient here is the sum over the tokens of its whole group, so its sum over the
    replicas is that over all processes; divided by their number it is the mean, like the others'.
    A parameter that no process used keeps no gradient, as in one process.
    """
    trained = [each for each in model.parameters() if each.requires_grad]
    trained = [each for each in trained if is_expert(each) or not isinstance(each, DTensor)]
    if not trained:
        return
    device, world_size = trained[0].device, distributed.get_world_size()
    has_gradient = torch.tensor([float(each.grad is not None) for each in trained], device=device)
    distributed.all_reduce_sum(has_gradient)
    replicated: list[Tensor] = []
    for each, is_used_anywhere in zip(trained, has_gradient.tolist(), strict=True):
        if not is_used_anywhere:
            continue
        if each.grad is None:
            each.grad = torch.zeros_like(each)
        gradient = get_local(each.grad)
        if isinstance(each, DTensor):
            torch.distributed.all_reduce(gradient, group=each.device_mesh.get_group(DATA))
            gradient /= world_size
        else:
            replicated.append(gradient)
    for dtype in dict.fromkeys(each.dtype for each in replicated):
        _average([each for each in replicated if each.dtype == dtype])


def is_expert(values: Tensor) -> bool:
    """Return whether a tensor is that of experts which processes hold in parts."""
    return isinstance(values, DTensor) and EXPERT in (values.device_mesh.mesh_dim_names or ())


def _average(gradients: Sequence[Tensor]) -> None:
    """Average gradients of one dtype over all processes, in one message."""
    flat = torch.cat([each.reshape(-1) for each in gradients])
    distributed.all_reduce_sum(flat)
    flat /= distributed.get_world_size()
    parts = flat.split([each.numel() for each in gradients])
    for each, part in zip(gradients, parts, strict=True):
        each.copy_(part.view_as(each))
