"""4-bit base layers of bitsandbytes on a CPU."""

import sys
from typing import Any

from torch import nn


def keep_four_bit_layout(model: nn.Module) -> None:
    """Keep 4-bit weights as they are stored, on CPUs with AVX512-BF16 too.

    There the first forward pass in evaluation mode rearranges a weight for a product without a
    gradient (bitsandbytes 0.50): later training gets no gradient through the layer, without a word,
    and a width that is not a multiple of the block of 64 is an error.
    """
    modules = sys.modules.get("bitsandbytes.nn")
    if modules is not None:
        kind = modules.Linear4bit
        layers: list[Any] = [each for each in model.modules() if isinstance(each, kind)]
        for layer in layers:
            layer.support_avx512bf16_for_cpu = False
