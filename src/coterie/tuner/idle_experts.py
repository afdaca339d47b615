"""Warns of experts at modules that a model never calls."""

import warnings

from torch import nn

from coterie.tuner.layer import CoterieLayer

IDLE_PASSES = 10
"""After so many forward passes, experts that never ran are warned of."""


def warn_of_idle_experts(model: nn.Module) -> None:
    """Warn if the modules of some experts of the active adapters were never called."""
    idle = [
        name
        for name, module in model.named_modules()
        if isinstance(module, CoterieLayer)
        and not module.has_run
        and any(adapter in module.coterie_site for adapter in module.active_adapters)
    ]
    if idle:
        warnings.warn(
            f"the experts at {len(idle)} modules ({', '.join(idle[:3])}, ...) did not run in the "
            f"first {IDLE_PASSES} forward passes, and learn nothing: the model reads these "
            "modules' weights without calling them, or no batch had what they take, as images",
            stacklevel=2,
        )
