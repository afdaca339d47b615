"""Models whose parameters are sharded over processes by torch's FSDP2, and their tensors."""

import itertools
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from coterie import distributed
from coterie.balancing.gradient import GradientBalancing
from coterie.families.base import find_family
from coterie.train.config import RunConfig

USE_FSDP = "ACCELERATE_USE_FSDP"
"""The environment variable by which `accelerate launch --use_fsdp` asks for sharding."""


def check(config: RunConfig) -> None:
    """Raise ValueError if a run's models cannot be sharded as its configuration asks."""
    if config.sharding not in ("none", "fsdp"):
        raise ValueError(f"sharding={config.sharding!r}: allowed are 'none' and 'fsdp'")
    balancing = config.recipe.balancing
    if config.sharding == "fsdp" and isinstance(balancing, GradientBalancing):
        raise ValueError(
            f"sharding='fsdp' with {type(balancing).__name__}: the tasks' gradients are combined "
            "whole; leave sharding out, or balance the losses, by Uncertainty"
        )
    if config.sharding == "fsdp" and any(each.tasks for each in config.recipe.mixtures):
        raise ValueError(
            "sharding='fsdp' with mixtures of some tasks is not supported, as bridges read the "
            "whole weights of older experts: leave sharding out"
        )
    for name in ("quantize", "compile", "packing"):
        if config.sharding == "fsdp" and getattr(config, name):
            raise ValueError(f"sharding='fsdp' with {name} is not supported: leave one of them out")


def is_used(config: RunConfig) -> bool:
    """Return whether a run's models are sharded, over the processes there are."""
    return config.sharding == "fsdp" and distributed.get_world_size() > 1


def is_requested_by_accelerate() -> bool:
    """Return whether `accelerate launch` asked to shard the model."""
    return os.environ.get(USE_FSDP, "false").lower() in ("true", "1")


@contextmanager
def hide_request() -> Iterator[None]:
    """Keep accelerate and transformers from sharding, too, within the block.

    They would load the weights on one process alone, and wrap the sharded model again.
    """
    before = os.environ.pop(USE_FSDP, None)
    try:
        yield
    finally:
        if before is not None:
            os.environ[USE_FSDP] = before


def shard(model: PeftModel, device: torch.device, *, apart: Collection[nn.Parameter] = ()) -> None:
    """Shard the parameters of a grafted model over all processes, in place, and move it.

    Each block is gathered when it runs, and released. All processes run the same blocks in the
    same order; towers, which a process without media does not run, are gathered with the rest.
    Parameters in `apart` are left as they are.

    Raises ValueError for quantised weights.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    ignored = set(apart)
    for name, each in model.named_parameters():
        if each in ignored:
            continue
        if type(each) is not nn.Parameter or not each.is_floating_point():
            raise ValueError(
                f"sharding='fsdp': {name} is a {type(each).__name__} of {each.dtype}; quantised "
                "weights cannot be sharded: leave quantize or sharding out"
            )
        each.data = each.data.contiguous()  # FSDP takes no transposed ones, which some experts are
    base = model.get_base_model()
    mesh = init_device_mesh(device.type, (distributed.get_world_size(),))
    for block in find_blocks(base):
        fully_shard(block, mesh=mesh, ignored_params=ignored)
    # Resharded after each forward, as the blocks: its parameters are then always those that the
    # optimizer has, also after a validation.
    root: Any = fully_shard(base, mesh=mesh, reshard_after_forward=True, ignored_params=ignored)
    # A process without media gives the towers no gradient, and without them the inputs of the first
    # block need none: it would sum its gradients later than in other processes, which wait.
    root.set_reduce_scatter_unused_params(True)
    family = find_family(base)
    by_name = dict(base.named_parameters())
    towers = {name: family.get_tower(name) for name in by_name} if family else {}
    trained = {tower for name, tower in towers.items() if by_name[name].requires_grad}
    if "text" in towers.values() and trained - {"text"}:
        root.enable_input_require_grads()


def find_blocks(base: nn.Module) -> list[nn.Module]:
    """Return the blocks of a base model, without those of towers beside its text."""
    family = find_family(base)
    by_tower: dict[str, dict[str, nn.ModuleList]] = {}
    for name, each in base.named_modules():
        if isinstance(each, nn.ModuleList):
            found = by_tower.setdefault(family.get_tower(name) if family else "text", {})
            if not any(name.startswith(f"{outer}.") for outer in found):
                found[name] = each
    lists = by_tower.get("text") or {k: v for found in by_tower.values() for k, v in found.items()}
    return [block for each in lists.values() for block in each]


def get_local(values: Tensor) -> Tensor:
    """Return this process's part of a tensor: all of it if it is not sharded."""
    return values.to_local() if isinstance(values, DTensor) else values


def get_local_rows(values: Tensor, rows: slice) -> slice:
    """Return the places of a tensor's rows in this process's part."""
    if not isinstance(values, DTensor):
        return rows
    start, stop, _ = rows.indices(len(values))
    length = -(-len(values) // distributed.get_world_size())  # as torch.chunk cuts
    first = distributed.get_rank() * length
    return slice(max(0, start - first), max(0, stop - first))


def gather(values: Tensor) -> Tensor:
    """Return a tensor with all its parts. Every process must call it."""
    return values.full_tensor() if isinstance(values, DTensor) else values


def gather_on_rank_zero(values: Tensor) -> Tensor:
    """Return `gather` of a tensor on the CPU of rank 0, and an empty one on the others."""
    whole = gather(values.detach())
    return whole.cpu() if distributed.is_rank_zero() else torch.empty(0)


def place_like(values: Tensor, target: Tensor) -> Tensor:
    """Shard a tensor, which all processes have, as another one is."""
    if not isinstance(target, DTensor):
        return values
    mesh, placements = target.device_mesh, target.placements
    return distribute_tensor(values.to(target.device), mesh, placements, src_data_rank=None)


def split_groups(groups: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Split an optimizer's groups: torch's kernels take parameters of one mesh, or whole ones.

    The parameters' order stays, by which checkpoints number them.
    """
    return [
        {**group, "params": list(members)}
        for group in groups
        for _, members in itertools.groupby(group["params"], get_mesh)
    ]


def get_mesh(values: Tensor) -> Any:
    """Return the mesh of processes that a tensor is sharded over; None if it is whole."""
    return values.device_mesh if isinstance(values, DTensor) else None


def clip_gradients(parameters: Sequence[nn.Parameter], max_norm: float) -> Tensor:
    """Clip gradients as torch does, by their norm over all processes, and return the norm."""
    by_mesh: dict[Any, list[nn.Parameter]] = {}
    for each in parameters:
        by_mesh.setdefault(get_mesh(each), []).append(each)
    groups = list(by_mesh.values())
    norms = [
        gather(nn.utils.get_total_norm([each.grad for each in group if each.grad is not None]))
        for group in groups
    ]
    norm = norms[0] if len(norms) == 1 else torch.linalg.vector_norm(torch.stack(norms))
    for group in groups:
        nn.utils.clip_grads_with_norm_(group, max_norm, norm)
    return norm
