"""The folder of a composed run: its configuration, the file of the composition, the adapter."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from coterie.compose.composition import Composition, CompositionPlan
from coterie.compose.model_card import write_model_card
from coterie.compose.origins import dump_origins, list_origins
from coterie.compose.search import Candidate
from coterie.io import write, write_json
from coterie.recipe import Recipe
from coterie.stage import Stage
from coterie.tasks.task_set import TaskSet
from coterie.train import checkpoint, environment
from coterie.train.config import RunConfig
from coterie.train.inputs import compute_base_digests, write_input_digests
from coterie.train.run_directory import RunDirectory

NAME = "composed"
"""Of the recipe of composed runs."""


def make_config(plan: CompositionPlan, composition: Composition, tasks: TaskSet) -> RunConfig:
    """Return the configuration of the composed run."""
    first, names = plan.sources[0].run.config, ", ".join(each.name for each in plan.sources)
    lengths = [each.run.config.max_length for each in plan.sources]
    recipe = Recipe(
        name=NAME,
        mixtures=composition.mixtures,
        stages=(Stage(name=NAME),),
        paper="Chen et al. 2024, arXiv:2402.12750",
        notes=f"Composed of {names} without training: to train it would start from new weights.",
    )
    return RunConfig(
        recipe=recipe, base=plan.base, tasks=tasks, seed=first.seed, batch_size=first.batch_size,
        precision=first.precision, quantize=first.quantize, attention=first.attention,
        max_pixels=first.max_pixels, validation_limit=first.validation_limit,
        max_length=None if None in lengths else max(filter(None, lengths)),
        skip_bad_rows=any(each.run.config.skip_bad_rows for each in plan.sources),
    )  # fmt: skip


def describe(
    plan: CompositionPlan,
    composition: Composition,
    weights: Sequence[float],
    candidates: Sequence[Candidate],
) -> dict[str, Any]:
    """Return what the file of a composition holds: runs, weights, the search, every tensor."""
    names = [each.name for each in plan.sources]
    return {
        "runs": [
            {
                "folder": each.name,
                "recipe": each.run.config.recipe.name,
                "tasks": list(each.run.task_names),
                "modalities": ["text", *each.modalities],
                "weight": weight,
            }
            for each, weight in zip(plan.sources, weights, strict=True)
        ],
        "text": plan.text,
        "media": plan.media,
        "search": [
            {"weights": each.weights, "losses": dict(each.losses), "mean_loss": each.mean_loss}
            for each in candidates
        ],
        "tensors": dump_origins(list_origins(plan, composition), names),
    }


def write_run(
    directory: RunDirectory,
    config: RunConfig,
    composition: Composition,
    plan: CompositionPlan,
    record: Mapping[str, Any],
) -> None:
    """Write the run's folder; the adapter last, as a run that has one is finished."""
    write(directory.config_file, config.dumps())
    known = [each.base_digests for each in plan.sources if each.run.config.base == plan.base]
    write_input_digests(directory, known[0] if known else compute_base_digests(config))
    write_json(directory.composition_file, record)
    environment.append_environment(directory.environment_file, step=0, device=torch.device("cpu"))

    def save(folder: Path) -> None:
        composition.save(folder, like=plan.adapter, tasks=config.task_names)
        write_model_card(folder, config, record)

    checkpoint.write_atomically(directory.adapter_folder, save)
