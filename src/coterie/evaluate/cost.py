"""What a model costs: parameters trained, held and at work, FLOPs, memory and speed."""

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from coterie.evaluate.expert_usage import find_active_mixtures
from coterie.experts.base import ExpertLayer
from coterie.experts.lora import Lora
from coterie.mixture import Mixture
from coterie.routing.usage import UsageStatistics
from coterie.tuner.config import WEIGHTS
from coterie.tuner.layer import CoterieLayer


def count_trainable_parameters(adapter: Path) -> int:
    """Numbers in an adapter's weights file, which holds all that a run has trained."""
    count = 0
    with safe_open(adapter / WEIGHTS, framework="pt") as file:
        for name in file.keys():
            count += math.prod(file.get_slice(name).get_shape())
    return count


def count_total_parameters(model: nn.Module) -> int:
    """Numbers in all weights, each counted once where weights are tied.

    Modules of the host that experts have replaced are kept, but do nothing, and do not count.
    """
    idle = {
        id(parameter)
        for module in find_replaced_modules(model)
        for parameter in module.parameters()
    }
    return sum(each.numel() for each in model.parameters() if id(each) not in idle)


def find_replaced_modules(model: nn.Module) -> Iterator[nn.Module]:
    """The host's modules in whose place experts stand that need no weight of them."""
    for module in model.modules():
        if isinstance(module, CoterieLayer):
            active = [module.coterie_site[name] for name in module.active_adapters
                      if name in module.coterie_site]  # fmt: skip
            if active and not any(site.mixture.main.uses_base_weights for site in active):
                yield module.get_base_layer()


def count_active_parameters(model: nn.Module, usage: UsageStatistics) -> int:
    """Count the weights that a token uses: all but those of experts it did not choose.

    Experts count by the share of units that chose them, the mean over tasks; so for rectified
    routers, whose number of chosen experts varies, this is a mean too. All embeddings count, as is
    usual.

    Args:
        model: the grafted model.
        usage: its "chosen" is read. Layers without usage count as active.
    """
    idle = 0.0
    mixtures = find_active_mixtures(model)
    for module in model.modules():
        if not isinstance(module, CoterieLayer):
            continue
        for adapter, site in module.coterie_site.items():
            layer = site.layer_site.name
            seen = list(usage[layer]["chosen"].values()) if layer in usage else []
            if not seen or layer not in mixtures:
                continue
            experts = module.coterie_experts[adapter]
            assert isinstance(experts, ExpertLayer)
            shares = [sum(column) / len(seen) for column in zip(*seen, strict=True)]
            sizes = count_expert_parameters(site.mixture, experts)
            # Experts without weights (Null) come last among the shares, and have no size.
            idle += sum((1 - share) * size for share, size in zip(shares, sizes, strict=False))
    return round(count_total_parameters(model) - idle)


def count_expert_parameters(mixture: Mixture, layer: ExpertLayer) -> list[int]:
    """Numbers in each routed expert's own weights; those that experts share are left out."""
    main, parameters = mixture.main, list(layer.parameters())
    match main:
        case Lora(ranks=ranks):
            a_rank = sum(parameter[0].numel() for parameter in parameters)
            return [rank * a_rank for rank in ranks]
        case _:
            segments = main.count + (0 if mixture.shared is None else mixture.shared.count)
            stacked = [each for each in parameters if each.ndim > 1 and len(each) == segments]
            return [sum(each[0].numel() for each in stacked)] * main.count


@torch.no_grad()
def count_flops(call: Callable[[], object]) -> int:
    """Count the floating-point operations of a call, without gradients.

    Features that were cached before are not in it. Training costs about three times as much, less
    where weights are frozen.

    Counted by torch.utils.flop_counter on the matrix products that really run, padding and
    towers included. A product of [m, k] and [k, n] is 2 m k n. A mixture in its dense form counts
    the experts it weighs with 0.
    """
    # The counter does not know the fused attention of CPUs; as plain products it sees all of it.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def get_peak_memory_bytes(device: torch.device) -> int | None:
    """The most that this process has held: on the GPU, or resident in main memory.

    None where the system does not tell (Windows).
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
    """Seconds of training and samples a second, by the last line of a run's log.jsonl."""
    last: Mapping[str, Any] = {}
    at = folder / "log.jsonl"
    if at.is_file():
        for line in at.read_text(encoding="utf-8").split("\n"):
            try:
                row = json.loads(line)
            except ValueError:
                continue  # torn by a kill
            if isinstance(row, dict) and "time_s" in row:
                last = row
    seconds, samples = last.get("time_s"), last.get("samples")
    speed = samples / seconds if samples and seconds else None
    return {"train_time_s": seconds, "samples_per_s": speed}
