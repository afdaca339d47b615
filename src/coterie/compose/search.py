"""Weights of runs that are searched on validation rows: a grid, and the losses on each point."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from coterie.compose.composition import Composition, CompositionPlan
from coterie.models.loading import LoadedModel
from coterie.progress import Progress
from coterie.tasks.losses import ItemLosses
from coterie.tasks.text.generation import prepare_inputs
from coterie.third_party_warnings import suppress_third_party_warnings
from coterie.train.config import RunConfig
from coterie.train.frozen_caches import cache_encoder_features
from coterie.train.validation import Validation
from coterie.tuner.config import CoterieConfig

STEPS = {2: 10, 3: 5, 4: 4}
"""Number of runs -> steps from 0 to 1 of each weight: 11, 21 and 35 points."""
SPLIT = "validation"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Weights of the runs, and each task's loss on validation rows, in nats a token."""

    weights: tuple[float, ...]
    losses: Mapping[str, float]

    @property
    def mean_loss(self) -> float:
        """The mean of the tasks' losses."""
        return sum(self.losses.values()) / len(self.losses)


def list_grid(count: int) -> list[tuple[float, ...]]:
    """List weights of `count` runs that sum to 1, in even steps.

    Raises ValueError for more runs than STEPS has.
    """
    if count not in STEPS:
        raise ValueError(
            f"weights='search' is for {min(STEPS)} to {max(STEPS)} runs, and {count} are "
            "composed: give a weight for each, or 'even'"
        )
    steps = STEPS[count]

    def fill(rest: int, places: int) -> list[tuple[int, ...]]:
        if places == 1:
            return [(rest,)]
        return [(n, *more) for n in range(rest + 1) for more in fill(rest - n, places - 1)]

    return [tuple(n / steps for n in each) for each in fill(steps, count)]


def choose_best(candidates: Sequence[Candidate]) -> Candidate:
    """Return the candidate with the least mean of the tasks' losses, the first of equal ones.

    As early stopping chooses. (Losses relative to the task's least would let a task decide alone
    whose least is near 0: from 0.0002 to 0.004 nats is 20 times as much, and changes no answer.)
    """
    return min(candidates, key=lambda each: each.mean_loss)


def measure_grid(plan: CompositionPlan, config: RunConfig, device: torch.device) -> list[Candidate]:
    """Compute the validation losses of the composed model for all weights of the grid.

    Rows are those of training's validation: the first `validation_limit` of each task that has
    some. The base model is loaded once. Raises ValueError if no task has any.
    """
    grid = list_grid(len(plan.sources))
    tasks = config.tasks.select_with(SPLIT)
    if not tasks.names:
        raise ValueError(
            "weights='search' reads validation rows, and no task has any: name a validation split "
            "in tasks.yaml, or give weights='even' or numbers"
        )
    datasets = tasks.load_datasets(
        SPLIT, skip_bad_rows=config.skip_bad_rows, sample_check=config.load_sample_check()
    )
    validation = Validation(
        datasets, limit=config.validation_limit, batch_size=config.batch_size or 8, patience=None
    )
    loaded, found = config.load_base(device), []
    with Progress(len(grid), "search weights", unit="point") as progress:
        for weights in grid:
            losses = measure(plan.compose(weights), plan, config, loaded, validation)
            found.append(Candidate(weights=weights, losses=losses))
            progress.update()
    return found


def measure(
    composition: Composition,
    plan: CompositionPlan,
    config: RunConfig,
    loaded: LoadedModel,
    validation: Validation,
) -> dict[str, float]:
    """Return each task's loss of a composition, which is removed from the base model again."""
    base: Any = loaded.model
    with tempfile.TemporaryDirectory() as folder, suppress_third_party_warnings():
        composition.save(Path(folder), like=plan.adapter, tasks=config.task_names)
        saved = CoterieConfig.from_pretrained(folder)
        model: Any = PeftModel.from_pretrained(base, folder, config=saved)
    cache_encoder_features(model, loaded.processor)
    collator = config.make_collator(loaded.processor)

    def compute_losses(samples: list[Any]) -> ItemLosses:
        batch = prepare_inputs(collator(samples), model)
        return config.tasks.compute_losses(model, model.get_base_model(), batch)

    try:
        return validation.run(model, compute_losses, config.task_names)
    finally:
        model.unload()
