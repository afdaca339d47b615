"""One more task for a trained `MultiTaskVision`, which learns beside the others' frozen weights."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from peft import PeftModel
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization, remove_parametrizations

from coterie.graft import graft
from coterie.models.multitask_vision.modeling import MultiTaskVisionModel
from coterie.routing.gates.task import TaskGate
from coterie.tasks.dense.task import DenseTask
from coterie.tuner.config import CoterieConfig
from coterie.tuner.layer import CoterieLayer


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """A model with one more task.

    Attributes:
        model: grafted; its last task is the new one.
        trains: names of the parameters that train, as `model.named_parameters()` has them. All
            others are frozen, so that any optimiser, also one with weight decay, leaves other
            tasks' gates, vectors and heads as they were.
        stacks: (module, parameter) of each stack whose last row alone trains.
    """

    model: PeftModel
    trainable: tuple[str, ...]
    stacks: tuple[tuple[nn.Module, str], ...]

    def settle(self) -> PeftModel:
        """Puts the new rows into their stacks, so that the model can be saved; nothing trains."""
        for module, name in self.stacks:
            remove_parametrizations(module, name, leave_parametrized=True)
        self.model.requires_grad_(False)
        return self.model


def add_task(
    model: PeftModel,
    task: DenseTask,
    *,
    like: str | None = None,
    experts: bool = False,
    adapter: str = "default",
) -> Adopted:
    """A copy of a trained model with one more task: a gate in each layer, a vector and a head.

    The new gate starts as the mean of the other tasks' gates, or as one task's; the vector and
    the head are drawn anew. Where the experts stay frozen, other tasks' answers stay the same.
    Call `settle` before the model is saved.

    Source: Mod-Squad tunes its pruned models on a new task (`main_pru_tuning.py`). Departs: here
    the other tasks stay, and by default only what is the new task's trains.

    Args:
        model: a grafted `MultiTaskVision` with task gates.
        task: the new one.
        like: the task whose gates the new ones start as; None for the mean of all.
        experts: whether the experts train too; other tasks' answers then change.
        adapter: the name of the mixtures' adapter.

    Raises ValueError for a model of another kind, a name that is taken, or no task called `like`.
    """
    config = check(model, task, like, adapter)
    before: Any = model.get_base_model()
    host_config = copy.deepcopy(before.config)
    described = {
        "name": task.name, "channels": task.channels, "whole_picture": task.is_image_level
    }  # fmt: skip
    host_config.tasks = [*host_config.tasks, described]
    parameter = next(before.parameters())
    host: Any = MultiTaskVisionModel(host_config)
    host.to(device=parameter.device, dtype=parameter.dtype)
    tasks = (*config.tasks, task.name)
    saved = config.modules_to_save and [*config.modules_to_save, f"heads.{len(config.tasks)}"]
    grown = graft(
        host, config.parse_mixtures(), tasks=tasks, adapter=adapter, modules_to_save=saved
    )
    number = None if like is None else config.tasks.index(like)
    old, fresh = model.state_dict(), grown.state_dict()
    grown.load_state_dict(build_extended_weights(old, fresh, number))
    grown.train(model.training)
    stacks = tuple(parametrize_last_rows(grown, adapter))
    grown.requires_grad_(False)
    new = fresh.keys() - old.keys()
    trains = []
    for name, weight in grown.named_parameters():
        is_head = name in new and ".original_module." not in name
        is_row = name.endswith(".original")
        if is_head or is_row or (experts and f".coterie_experts.{adapter}." in name):
            weight.requires_grad_(True)
            trains.append(name)
    return Adopted(model=grown, trainable=tuple(trains), stacks=stacks)


def check(model: Any, task: DenseTask, like: str | None, adapter: str) -> CoterieConfig:
    """The adapter's config. Raises ValueError for what cannot be adopted, saying why."""
    host = model.get_base_model() if isinstance(model, PeftModel) else model
    if host is model or not isinstance(host, MultiTaskVisionModel):
        raise ValueError(
            f"adopt takes a grafted coterie.models.MultiTaskVisionModel, not {type(host).__name__}"
        )
    config = model.peft_config.get(adapter)
    if not isinstance(config, CoterieConfig):
        raise ValueError(
            f"adapter={adapter!r}: the model's are {', '.join(model.peft_config)}; name one whose "
            "mixtures have a gate for each task"
        )
    wrong = [each for each in config.parse_mixtures() if not isinstance(each.gate, TaskGate)]
    if wrong:
        raise ValueError(
            f"the mixture at {wrong[0].at!r} has a {type(wrong[0].gate).__name__}; a task can be "
            "added where each has a gate of its own, TaskGate"
        )
    if task.name in config.tasks or (like is not None and like not in config.tasks):
        raise ValueError(
            f"task {task.name!r}, like={like!r}: the model's tasks are {', '.join(config.tasks)}; "
            "give the new one another name, and like one of them"
        )
    return config


def build_extended_weights(
    old: Mapping[str, Tensor], fresh: Mapping[str, Tensor], like: int | None
) -> dict[str, Tensor]:
    """The new model's weights: the old ones, with more rows where tasks have a row each."""
    found = {}
    for name, weight in fresh.items():
        before = old.get(name, weight)
        if before.shape != weight.shape:
            more = weight[len(before) :]
            if ".coterie_gate." in name:
                more = (before.mean(0) if like is None else before[like]).expand_as(more)
            before = torch.cat([before, more.to(before)])
        found[name] = before
    return found


class LastRowParametrization(nn.Module):
    """A stack whose last row is a parameter, and whose others are not."""

    def __init__(self, stack: Float[Tensor, "tasks ..."]) -> None:
        super().__init__()
        self.register_buffer("others", stack[:-1].detach().clone())

    def forward(self, row: Float[Tensor, "1 ..."]) -> Float[Tensor, "tasks ..."]:
        return torch.cat([self.get_buffer("others"), row])

    def right_inverse(self, stack: Float[Tensor, "tasks ..."]) -> Float[Tensor, "1 ..."]:
        return stack[-1:].clone()


def parametrize_last_rows(model: PeftModel, adapter: str) -> list[tuple[nn.Module, str]]:
    """Makes the last row of each stack of tasks a parameter of its own; says which stacks."""
    host: Any = model.get_base_model()
    stacks: list[tuple[nn.Module, str]] = [
        (host.embeddings, name) for name in list(host.embeddings)
    ]
    for layer in host.modules():
        if isinstance(layer, CoterieLayer) and adapter in layer.coterie_gate:
            stacks.append((layer.coterie_gate[adapter], "weight"))
    for module, name in stacks:
        register_parametrization(module, name, LastRowParametrization(module.get_parameter(name)))
    return stacks
