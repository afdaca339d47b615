"""All processes must have recorded the same layers before sums over them are taken."""

import hashlib
from collections.abc import Iterable

import torch
from torch import distributed


def assert_same_layers_across_ranks(layers: Iterable[str]) -> None:
    """One small exchange a call; nothing at all where there is one process.

    Raises ValueError on every process if one recorded other layers, or in another order. The sums
    of routing losses would otherwise mix layers up, or wait for each other for ever.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return
    names = list(layers)
    digest = hashlib.sha256("\n".join(names).encode()).digest()
    # 62 bits, and their negative: the smallest of both says whether all are equal.
    mine = int.from_bytes(digest[:8], "big") >> 2
    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    both = torch.tensor([mine, -mine], device=device)
    distributed.all_reduce(both, op=distributed.ReduceOp.MIN)
    low, high = both.tolist()
    if low != -high:
        raise ValueError(
            f"the processes ran different layers with experts in this step; this one ran "
            f"{len(names)}, the last {names[-1] if names else None!r}. A host that leaves layers "
            "out at random (layerdrop) or a tower without media in one process does so: switch "
            "layerdrop off, or mix the tasks within batches"
        )
