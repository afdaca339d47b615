"""The cost of a model: trained, total and active parameters, FLOPs, memory and speed."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from coterie.evaluate.expert_usage import find_active_parts
from coterie.experts.base import ExpertLayer
from coterie.routing.usage import UsageStatistics
from coterie.tasks.predictions import ForwardPass
from coterie.train.adapter_weights import count_saved_parameters
from coterie.train.checkpoint import STATE_FILE, find_latest
from coterie.train.finished_stages import read_finished_stages
from coterie.train.run_directory import RunDirectory


def measure_model(
    model: nn.Module, forward: ForwardPass, usage: UsageStatistics, trained: RunDirectory | None
) -> dict[str, Any]:
    """Measure all but the speed of predictions; `trained` is None for a run's base model."""
    return {
        "trainable_parameters": 0 if trained is None
        else count_saved_parameters(trained.adapter_folder),
        "active_parameters": count_active_parameters(model, usage),
        "total_parameters": count_total_parameters(model),
        "flops_per_sample": count_flops(forward.run) / forward.num_predictions,
        "peak_memory_bytes": get_peak_memory_bytes(next(model.parameters()).device),
        **({} if trained is None else read_training_time(trained)),
    }  # fmt: skip


def count_total_parameters(model: nn.Module) -> int:
    """Count all parameters, tied weights once, and what experts that start from models hold frozen.

    Modules of the base model that experts have replaced are stored but unused, and do not count.
    """
    idle: set[nn.Parameter] = set()
    for module, parts in find_active_parts(model):
        mains = [part.site.mixture.main for part in parts]
        if mains and not any(main.uses_base_weights for main in mains):
            idle.update(module.get_base_layer().parameters())
    layers = (each for each in model.modules() if isinstance(each, ExpertLayer))
    frozen = [each for layer in layers for each in layer.buffers()]
    used = [each for each in model.parameters() if each not in idle]
    return sum(each.numel() for each in (*used, *frozen))


def count_active_parameters(model: nn.Module, usage: UsageStatistics) -> int:
    """Count the parameters that a token uses: all but those of experts it did not choose.

    Experts count by the share of units that chose them, the mean over tasks; so for rectified
    routers, whose number of chosen experts varies, this is a mean too. All embeddings count, as is
    usual. Only "chosen" of `usage` is read; layers without usage count as active.
    """
    idle = 0.0
    for part in (part for _, parts in find_active_parts(model) for part in parts):
        layer, mixture = part.site.layer_site.name, part.site.mixture
        seen = list(usage[layer]["chosen"].values()) if layer in usage else []
        sizes = mixture.main.count_parameters(part.experts, mixture.shared) if seen else []
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


def read_training_time(directory: RunDirectory) -> dict[str, float | None]:
    """Return a run's training time, over all stages, and its trained samples per second.

    Of a finished run, the time is that of its last step; without its checkpoint, or while it is
    trained, that of the last record of the log, and samples are counted up to there.
    """
    log = [row for row in directory.read_log() if row.get("time_s") and row.get("step")]
    if not log:
        return {"train_time_s": None, "samples_per_s": None}
    seconds, steps = read_last_step(directory) or (log[-1]["time_s"], log[-1]["step"])
    return {"train_time_s": seconds, "samples_per_s": count_samples(log, steps) / seconds}


def read_last_step(directory: RunDirectory) -> tuple[float, int] | None:
    """Return seconds and steps at the last step of a run whose last stage is finished."""
    if not directory.is_finished or not (stages := read_finished_stages(directory)):
        return None
    latest = find_latest((directory.folder / stages[-1].weights_folder).parent)
    facts = {} if latest is None else directory.try_read_mapping(latest / STATE_FILE)
    seconds, steps = facts.get("time_s"), facts.get("step")
    return (seconds, steps) if seconds and steps else None


def count_samples(log: Sequence[Mapping[str, Any]], steps: int) -> float:
    """Count the samples of a run's first `steps` steps: "samples" are those of a record's stage."""
    last = {row.get("stage"): row for row in log}  # stages follow one another
    total, before = 0.0, 0
    for place, row in enumerate(last.values(), 1):
        is_last = place == len(last)
        own = row["step"] - before
        ended = steps if is_last else find_next_start(log, row)
        total += row["samples"] / own * (ended - before)
        before = ended
    return total


def find_next_start(log: Sequence[Mapping[str, Any]], last: Mapping[str, Any]) -> int:
    """Return the number of steps before the stage that follows a stage's last record."""
    # The first step of each stage has a record.
    return next(row["step"] for row in log if row["step"] > last["step"]) - 1
