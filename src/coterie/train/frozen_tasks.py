"""Training of new tasks with an earlier run's frozen tasks: initial weights and frozen rows."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from peft import PeftModel
from safetensors import safe_open
from torch import Tensor

from coterie.routing.gates.task import TaskGate
from coterie.tasks.frozen_tasks import FrozenTasks
from coterie.train.frozen_mixtures import (
    freeze_mixtures,
    has_mixtures_by_task,
    load_frozen_mixtures,
)
from coterie.train.run import Run
from coterie.train.trainable import (
    FrozenRows,
    TrainableParameters,
    match_new_parameters,
)
from coterie.tuner.config import WEIGHTS, CoterieConfig
from coterie.tuner.layer import get_base_parameter_name


def initialize_from_run(model: PeftModel, frozen: FrozenTasks) -> tuple[str, ...]:
    """Load the frozen tasks' weights into the first stage's model, and initialise new gates.

    The model is grafted, with the frozen tasks first among its tasks. Returns the names of base
    parameters that differ from the base model's and are saved with those that this run trains.
    Mixtures of the frozen tasks alone are loaded as they are.

    Raises ValueError if the run's tasks differ from the model's, or a mixture has no task gates.
    """
    if has_mixtures_by_task(model):
        return load_frozen_mixtures(model, frozen)
    run = Run.read(frozen.run)
    before: Any = run.load().model
    base: Any = model.get_base_model()
    old, new = before.get_base_model().config.tasks, base.config.tasks
    if new[: len(old)] != old:
        raise ValueError(
            f"the first tasks of the data set differ from those of {run.folder}: now "
            f"{new[: len(old)]}, then {old}"
        )
    check_task_gates(before.peft_config["default"])
    like = None if frozen.initialize_from is None else frozen.names.index(frozen.initialize_from)
    model.load_state_dict(build_extended_weights(before.state_dict(), model.state_dict(), like))
    with safe_open(run.directory.adapter_folder / WEIGHTS, framework="pt") as file:
        saved = {name for name in file.keys() if ".coterie_" not in name}
    differ = saved | match_new_parameters(model).keys()
    return tuple(name for name, _ in model.named_parameters() if name in differ)


def check_task_gates(config: CoterieConfig) -> None:
    """Raise ValueError unless each mixture has a gate for each task, so that gates can be added."""
    for each in config.parse_mixtures():
        if not isinstance(each.gate, TaskGate):
            raise ValueError(
                f"the mixture at {each.at!r} has a {type(each.gate).__name__}; a task can be "
                "added where each has a gate of its own, TaskGate"
            )


def build_extended_weights(
    old: Mapping[str, Tensor], new: Mapping[str, Tensor], like: int | None
) -> dict[str, Tensor]:
    """Return the state of a freshly initialised model with rows for new tasks after the old ones.

    `like` is the old task whose gates initialise the new ones; None for the mean over all tasks.
    """
    extended = {}
    for name, weight in new.items():
        before = old.get(name, weight)
        if before.shape != weight.shape:
            more = weight[len(before) :]
            if ".coterie_gate." in name:
                more = (before.mean(0) if like is None else before[like]).expand_as(more)
            before = torch.cat([before, more.to(before)])
        extended[name] = before
    return extended


def exclude_frozen(
    model: PeftModel, trainable: TrainableParameters, frozen: FrozenTasks
) -> TrainableParameters:
    """Freeze the frozen tasks' own mixtures, or heads and rows of gates and task embeddings.

    What joins the sensors of dense tasks is frozen, too, as all tasks read it.
    """
    if has_mixtures_by_task(model):
        freeze_mixtures(model, frozen)
        return trainable
    count, rows, excluded = len(frozen.names), list(trainable.frozen_rows), set()
    frozen_heads = tuple(f"heads.{number}." for number in range(count))
    shared = ("fusion.", "sensor_backbones.")
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        base_name = get_base_parameter_name(name)
        if base_name.startswith((*frozen_heads, *shared)) and ".coterie_" not in name:
            parameter.requires_grad_(False)
            excluded.add(name)
        elif ".coterie_gate." in name or base_name.startswith("embeddings."):
            rows.append(FrozenRows(parameter, slice(0, count)))
    base = tuple(name for name in trainable.base if name not in excluded)
    return replace(trainable, base=base, frozen_rows=tuple(rows))
