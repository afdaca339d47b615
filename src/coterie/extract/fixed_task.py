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
from coterie.routing.context import RoutingContext
from coterie.tuner.config import CoterieConfig
from coterie.tuner.layer import CoterieLayer

NOT_CONSTANT = ", so that no constant weights answer as it does"


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
        """Return (A, B) of the equivalent LoRA, in float64, without experts of weight 0.

        A = cat(down_e) and B = cat(gate_e scale_e up_e): no approximation.
        """
        ranks, scales, *halves = self.factors
        down, up = (half.detach().cpu().double() for half in halves)
        experts = zip(down.split(ranks), up.split(ranks), self.combine_weights, scales, strict=True)
        kept = [(low, high * (gate * scale)) for low, high, gate, scale in experts if gate != 0]
        if not kept:
            return down[:0], up[:0].t()
        down, up = (torch.cat(parts) for parts in zip(*kept, strict=True))
        return down, up.t()

    def compute_delta(self) -> Float[Tensor, "out width"]:
        """Compute the change of the base model's weight, in float64."""
        down, up = self.concatenate()
        return up @ down


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
    for position, mixture in enumerate(config.parse_mixtures()):
        require_constant(mixture, position)
    device = next(model.parameters()).device
    state = RoutingContext(batch_size=1, device=device)
    if tasks:
        state.single_task = tasks.index(task)
        state.task_ids = torch.tensor([state.single_task], device=device)
    layers = get_adapter_layers(model, adapter)
    return [make_fixed_task_lora(name, layer, adapter, state) for name, layer in layers.items()]


def make_fixed_task_lora(
    name: str, layer: CoterieLayer, adapter: str, context: RoutingContext
) -> FixedTaskLora:
    """Make the LoRA at one module; its combine weights are those of the gate."""
    site = layer.coterie_site[adapter]
    experts: Any = layer.coterie_experts[adapter]
    gate: Any = layer.coterie_gate[adapter] if adapter in layer.coterie_gate else None
    factors = site.mixture.main.get_low_rank_factors(experts)
    # A gate that depends on the task alone reads only the shape of x.
    x = factors.down.new_zeros(1, 1, factors.down.shape[1])
    deferred = site.route(gate, x, context, training=False)
    gates = deferred.make_decision(deferred.resolve(x)).combine_weights
    weights, tower = tuple(gates.reshape(-1).double().tolist()), site.layer_site.tower
    return FixedTaskLora(name=name, tower=tower, factors=factors, combine_weights=weights)


def require_constant(mixture: Mixture, position: int) -> None:
    """Raise ValueError if `mixture` is not one LoRA for a fixed task."""
    main, gate, router = mixture.main, mixture.gate, mixture.router
    shape, cpu = torch.Size((1, mixture.num_experts)), torch.device("cpu")
    if not main.is_low_rank:
        wrong = f"{type(main).__name__} experts, which are no change of a linear layer's weight"
        exact = "Lora experts"
    elif gate is not None and not gate.depends_on_task_only:
        wrong = f"a {type(gate).__name__}, which reads the input{NOT_CONSTANT}"
        exact = "TaskGate(per_token=False), or no gate (gate=None)"
    elif gate is not None and router.sample_noise(shape, cpu, training=False) is not None:
        wrong = f"{router!r}, which draws noise outside training too{NOT_CONSTANT}"
        exact = "noise_in_evaluation=False"
    else:
        return
    which = f"mixture {position} (at={mixture.at!r})"
    raise ValueError(f"{which} has {wrong}; exact would be {exact}")


def describe_modules(shares: Sequence[FixedTaskLora]) -> dict[str, Any]:
    """Describe the extracted modules, for the report."""
    modules = {
        share.name: {"gates": list(share.combine_weights), "ranks": list(share.factors.ranks)}
        for share in shares
    }
    return {"num_modules": len(shares), "modules": modules}
