"""What a study will cost: the trained parameters of each system, and the time of a step."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel

from coterie.graft import graft
from coterie.models.loading import LoadedModel
from coterie.progress import format_duration
from coterie.recipe import Recipe
from coterie.train.batch_sampler import StageBatchSampler
from coterie.train.config import RunConfig
from coterie.train.datasets import MultiTaskDataset
from coterie.train.frozen_caches import cache_encoder_features, cache_hidden_states
from coterie.train.trainable import make_stage_mixtures, select_trainable

TIMED_STEPS = 2
"""The first is slower, and the last is timed."""
PARAMETER_TOLERANCE = 0.01
"""Systems whose trained parameters differ by a smaller share count as equally large."""


@dataclass(frozen=True, kw_only=True)
class StudyCost:
    """What is known before a study begins.

    Attributes:
        parameters: system -> the parameters that a model of it trains, the most of its stages.
        step_s: seconds of an optimizer step of the last system.
    """

    parameters: Mapping[str, int]
    step_s: float

    @property
    def is_unequal(self) -> bool:
        """Whether some systems are larger than others."""
        sizes = self.parameters.values()
        return max(sizes) > (1 + PARAMETER_TOLERANCE) * min(sizes)

    def describe_time(self, steps: int) -> str:
        """Return a guess of the time that so many steps take; empty for none."""
        if not steps:
            return "all models are trained"
        seconds = format_duration(steps * self.step_s)
        return (
            f"{steps:,} steps to train, about {seconds} at the {self.step_s:.3g} s of a measured "
            "step; scoring takes longer the longer the answers are"
        )

    def describe_sizes(self) -> str:
        """Return the sizes, and which systems are larger or smaller than the first."""
        (first, size), *others = self.parameters.items()
        listed = ", ".join(f"{name} {count:,}" for name, count in self.parameters.items())
        unequal = [
            f"{name} trains {count / size:.3g} times those of {first}"
            for name, count in others
            if abs(count - size) > PARAMETER_TOLERANCE * size
        ]
        note = f"; not of equal size: {', '.join(unequal)}" if unequal else "; of equal size"
        return f"trainable parameters: {listed}{note}"


def measure_cost(configs: Mapping[str, RunConfig], device: torch.device) -> StudyCost:
    """Count the parameters of each system, and time a step of the last one.

    The base model is loaded for each. A step is a forward and a backward pass, with what is frozen
    cached, as in training.
    """
    sizes, seconds = {}, 0.0
    for number, (name, config) in enumerate(configs.items(), 1):
        base = config.load_base(device)
        model, sizes[name] = graft_last_stage(base.model, config.recipe, config.task_names)
        if number == len(configs):
            seconds = config.accumulation * time_step(config, model, base)
    return StudyCost(parameters=sizes, step_s=seconds)


def graft_last_stage(model: Any, recipe: Recipe, tasks: Sequence[str]) -> tuple[PeftModel, int]:
    """Graft a base model for the last stage, and count what the largest stage trains."""
    sizes = []
    for number, stage in enumerate(recipe.stages):
        base = model.unload() if number else model
        model = graft(base, make_stage_mixtures(recipe.mixtures, stage), tasks=tasks)
        select_trainable(model, stage)
        sizes.append(sum(each.numel() for each in model.parameters() if each.requires_grad))
    return model, max(sizes)


def time_step(config: RunConfig, model: PeftModel, base: LoadedModel) -> float:
    """Return the seconds of a forward and a backward pass of the first part of a batch."""
    device, samples = next(model.parameters()).device, MultiTaskDataset(config)
    stage = config.resolve_stages(samples.sizes)[-1]
    indices = next(iter(StageBatchSampler(config, stage, samples, 0)))
    cache_encoder_features(model, base.processor)
    batch = config.make_collator(base.processor)([samples[index] for index in indices])
    batch = {k: each.to(device) if torch.is_tensor(each) else each for k, each in batch.items()}
    model.train()
    seconds = 0.0
    with cache_hidden_states(model):
        for _ in range(TIMED_STEPS):
            start = time.monotonic()
            found = config.tasks.compute_losses(model, model.get_base_model(), dict(batch))
            found.losses.mean().backward()
            float(found.losses.detach().sum())  # waits for the device
            seconds = time.monotonic() - start
    return seconds
