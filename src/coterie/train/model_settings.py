"""Settings of a run that do not fit its recipe, tasks or device, found before a model is loaded."""

from typing import Any

import torch

from coterie.balancing.gradient import GradientBalancing
from coterie.models.options import ModelOptions
from coterie.recipe import Recipe

OPTIONAL = ("quantize", "attention", "max_pixels", "packing")
"""Settings that only some task sets support."""
NEW_PARTS = ("adapter", "experts", "gates", "shared")
"""Parts of `Stage.trains` that no base model has."""


def check_fit(config: Any) -> None:
    """Raise ValueError if settings of a `RunConfig` do not fit its tasks, recipe or one another."""
    options: ModelOptions = config.model_options  # refuses values that are none
    recipe, attention = config.recipe, options.attention or ""
    for name in OPTIONAL:
        value = getattr(config, name)
        if value not in (None, False) and name not in config.tasks.optional_settings:
            raise ValueError(
                f"{name}={value!r} is not for {type(config.tasks).__name__}, whose models and "
                "batches do not have it: leave it out"
            )
    if options.quantize is not None:
        check_quantize(recipe, options.quantize)
    if "flash" in attention and config.precision == "float32":
        raise ValueError(
            f"attention={attention!r} multiplies in 16 bits, and precision is 'float32': give "
            "precision='bfloat16', or attention='sdpa'"
        )
    check_adaptation(config)
    if config.compile and isinstance(recipe.balancing, GradientBalancing):
        raise ValueError(
            f"compile=True does not fit recipe {recipe.name!r}: "
            f"{type(recipe.balancing).__name__} takes a backward pass for each task, and a "
            "compiled graph has one. Leave compile out, or balance the losses"
        )
    for name in ("packing", "gradient_checkpointing") if config.compile else ():
        if getattr(config, name):
            raise ValueError(
                f"compile=True and {name}=True: a compiled graph cannot hold what gates need to "
                "know of the samples then. Leave one of them out"
            )


def check_adaptation(config: Any) -> None:
    """Raise ValueError if task shares would follow validations that come too late, or never."""
    if config.mix.adaptation is not None and (config.workers or not config.validates):
        raise ValueError(
            f"mix.adaptation with workers={config.workers}, evaluate_every="
            f"{config.evaluate_every} and patience={config.patience}: shares follow validations, "
            "and batches must not be read before them. Give evaluate_every, and workers=0"
        )


def check_quantize(recipe: Recipe, quantize: str) -> None:
    """Raise ValueError if quantised weights would have to be trained or copied."""
    problem = f"quantize={quantize!r} does not fit recipe {recipe.name!r}:"
    for stage in recipe.stages:
        if trained := [part for part in stage.trains if part not in NEW_PARTS]:
            raise ValueError(
                f"{problem} stage {stage.name!r} trains {trained[0]!r}, weights of the base model, "
                "and quantised weights cannot be trained. Leave quantize out, or let the stage "
                f"train {', '.join(NEW_PARTS)} alone"
            )
    for mixture in recipe.mixtures:
        if not mixture.main.uses_base_weights:
            raise ValueError(
                f"{problem} {type(mixture.main).__name__} experts at {mixture.at!r} are trained "
                "copies of quantised weights. Leave quantize out, or take Lora or "
                "Copies(trained='lora')"
            )


def check_device(options: ModelOptions, device: torch.device) -> None:
    """Raise ValueError if the attention cannot be trained on this device."""
    name = options.attention or ""
    if device.type == "cpu" and ("flash" in name or name == "flex_attention"):
        raise ValueError(
            f"attention={name!r} cannot be trained on a CPU: give 'sdpa' or 'eager', or a GPU"
        )
