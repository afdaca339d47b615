"""The constant mixture of a fixed task at each module, as one LoRA."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Float
from peft import PeftModel
from torch import Tensor

from coterie.experts.base import LowRankFactors
from coterie.mixture import Mixture
from coterie.tuner.config import CoterieConfig
from coterie.tuner.constant_mixture import require_constant
from coterie.tuner.layer import CoterieLayer


@dataclass(frozen=True, kw_only=True)
class FixedTaskLora:
    """One task's constant mixture at one linear layer of the base model.

    Attributes:
        name: the module's name in the base model.
        tower: the part of the base model it is in.
        factors: of all experts, a shared one last.
        combine_weights: the factor of each expert's output, before its scale.
    """

    name: str
    tower: str
    factors: LowRankFactors
    combine_weights: tuple[float, ...]

    def concatenate(self) -> tuple[Float[Tensor, "rank width"], Float[Tensor, "out rank"]]:
        """Return `LowRankFactors.concatenate` of the task's combine weights."""
        return self.factors.concatenate(self.combine_weights)

    def compute_delta(self) -> Float[Tensor, "out width"]:
        """Compute the change of the base model's weight, in float64."""
        return self.factors.compute_delta(self.combine_weights)


def get_adapter_config(model: Any, adapter: str) -> CoterieConfig:
    """Return the adapter's config. Raises ValueError if `model` has no such coterie adapter."""
    if not isinstance(model, PeftModel):
        raise ValueError(
            f"extract takes the PeftModel that coterie.graft or PeftModel.from_pretrained "
            f"returned, not {type(model).__name__}"
        )
    config = model.peft_config.get(adapter)
    if not isinstance(config, CoterieConfig):
        own = [name for name, each in model.peft_config.items() if isinstance(each, CoterieConfig)]
        raise ValueError(f"adapter={adapter!r}: the model's mixtures are {own}; name one of them")
    return config


def get_adapter_layers(model: PeftModel, adapter: str) -> dict[str, CoterieLayer]:
    """Return the layers that contain the adapter's mixtures, by module name, in order."""
    return {
        name: module
        for name, module in model.get_base_model().named_modules()
        if isinstance(module, CoterieLayer) and adapter in module.coterie_site
    }


@contextmanager
def use_single_adapter(model: PeftModel, adapter: str) -> Iterator[None]:
    """Activate one adapter in eval mode inside the context; restore both afterwards."""
    modes = {module: module.training for module in model.modules()}
    active, tuner = list(model.active_adapters), cast(Any, model.base_model)
    model.eval()
    model.set_adapter(adapter)
    try:
        yield
    finally:
        model.set_adapter(active[0])
        tuner.set_adapter(active)
        for module, mode in modes.items():
            module.training = mode


@torch.no_grad()
def make_fixed_task_loras(model: PeftModel, adapter: str, task: str) -> list[FixedTaskLora]:
    """Make the LoRA of the task's constant mixture at every module of the adapter.

    Raises ValueError if the adapter has no such task, or if a mixture is not constant for it.
    """
    config = get_adapter_config(model, adapter)
    tasks = config.tasks
    if tasks and task not in tasks:
        raise ValueError(f"task={task!r}: the adapter's tasks are {', '.join(tasks)}")
    for position, mixture in find_task_mixtures(config, task).items():
        require_constant(mixture, f"mixture {position} (at={mixture.at!r})")
    number = tasks.index(task) if tasks else None
    layers = get_adapter_layers(model, adapter)
    return [
        make_fixed_task_lora(name, layer, adapter, number)
        for name, layer in layers.items()
        if layer.find_part(adapter, number) is not None
    ]


def find_task_mixtures(config: CoterieConfig, task: str) -> dict[int, Mixture]:
    """Return the mixtures that serve a task, by their positions in the configuration."""
    mixtures = enumerate(config.parse_mixtures())
    return {position: each for position, each in mixtures if task in (each.tasks or (task,))}


def make_fixed_task_lora(
    name: str, layer: CoterieLayer, adapter: str, task: int | None
) -> FixedTaskLora:
    """Make the LoRA at one module; its combine weights are those of the gate."""
    part = layer.find_part(adapter, task)
    assert part is not None
    return FixedTaskLora(
        name=name,
        tower=part.site.layer_site.tower,
        factors=part.site.mixture.main.get_low_rank_factors(part.experts),
        combine_weights=layer.compute_combine_weights(adapter, task),
    )


def describe_modules(shares: Sequence[FixedTaskLora]) -> dict[str, Any]:
    """Describe the extracted modules, for the report."""
    modules = {
        share.name: {"gates": list(share.combine_weights), "ranks": list(share.factors.ranks)}
        for share in shares
    }
    return {"num_modules": len(shares), "modules": modules}
