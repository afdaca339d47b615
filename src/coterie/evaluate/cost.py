"""The cost of a model: trained, total and active parameters, FLOPs, memory and speed."""

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from coterie.evaluate.expert_usage import find_active_sites
from coterie.experts.base import ExpertLayer
from coterie.routing.usage import UsageStatistics
from coterie.tasks.predictions import ForwardPass
from coterie.train.run_directory import RunDirectory
from coterie.tuner.config import WEIGHTS


def measure_model(
    model: nn.Module, forward: ForwardPass, usage: UsageStatistics, trained: RunDirectory | None
) -> dict[str, Any]:
    """Measure all but the speed of predictions; `trained` is None for a run's base model."""
    return {
        "trainable_parameters": 0 if trained is None
        else count_trainable_parameters(trained.adapter_folder),
        "active_parameters": count_active_parameters(model, usage),
        "total_parameters": count_total_parameters(model),
        "flops_per_sample": count_flops(forward.run) / forward.num_predictions,
        "peak_memory_bytes": get_peak_memory_bytes(next(model.parameters()).device),
        **({} if trained is None else read_training_time(trained.folder)),
    }  # fmt: skip


def count_trainable_parameters(adapter: Path) -> int:
    """Return the number of values in an adapter's weights file: all trained parameters."""
    with safe_open(adapter / WEIGHTS, framework="pt") as file:
        return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())


def count_total_parameters(model: nn.Module) -> int:
    """Count all parameters, tied weights once.

    Modules of the base model that experts have replaced are stored but unused, and do not count.
    """
    idle: set[nn.Parameter] = set()
    for module, adapters in find_active_sites(model):
        mains = [module.coterie_site[adapter].mixture.main for adapter in adapters]
        if mains and not any(main.uses_base_weights for main in mains):
            idle.update(module.get_base_layer().parameters())
    return sum(each.numel() for each in model.parameters() if each not in idle)


def count_active_parameters(model: nn.Module, usage: UsageStatistics) -> int:
    """Count the parameters that a token uses: all but those of experts it did not choose.

    Experts count by the share of units that chose them, the mean over tasks; so for rectified
    routers, whose number of chosen experts varies, this is a mean too. All embeddings count, as is
    usual. Only "chosen" of `usage` is read; layers without usage count as active.
    """
    idle = 0.0
    active = [(module, name) for module, names in find_active_sites(model) for name in names]
    for module, adapter in active:
        site, experts = module.coterie_site[adapter], module.coterie_experts[adapter]
        layer = site.layer_site.name
        seen = list(usage[layer]["chosen"].values()) if layer in usage else []
        assert isinstance(experts, ExpertLayer)
        sizes = site.mixture.main.count_parameters(experts, site.mixture.shared) if seen else []
        shares = (sum(column) / len(seen) for column in zip(*seen, strict=True))
        # Experts without weights (Null) come last among the shares, and have no size.
        idle += sum((1 - share) * size for share, size in zip(shares, sizes, strict=False))
    return round(count_total_parameters(model) - idle)


@torch.no_grad()
def count_flops(call: Callable[[], object]) -> int:
    """Count the floating-point operations of a call, without gradients.

    Cached features are not included. Training costs about three times as much, less where weights
    are frozen. Counted by torch.utils.flop_counter on the matrix products that are computed, with
    padding and towers. A product of [m, k] and [k, n] is 2 m k n. A mixture in its dense form
    counts the experts of weight 0.
    """
    # The counter does not support the fused attention of CPUs; it counts plain products.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def get_peak_memory_bytes(device: torch.device) -> int | None:
    """Return this process's peak memory in bytes: on the GPU, or resident in main memory.

    None where the system does not report it (Windows).
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def read_training_time(folder: Path) -> dict[str, float | None]:
    """Read the training time and the samples per second from the last record of a run's log."""
    log = RunDirectory(folder).read_log()
    last = next((row for row in reversed(log) if "time_s" in row), {})
    seconds, samples = last.get("time_s"), last.get("samples")
    speed = samples / seconds if samples and seconds else None
    return {"train_time_s": seconds, "samples_per_s": speed}
