"""Parameter counts of a full and of a pruned model, by their use."""

from collections.abc import Iterable
from dataclasses import dataclass

from peft import PeftModel
from torch import nn

from coterie.extract.fixed_task import get_adapter_layers
from coterie.models.multitask_vision.modeling import MultiTaskVisionModel
from coterie.models.pruned_vision.modeling import PrunedMixtureLayer, PrunedVisionModel


@dataclass(frozen=True, kw_only=True)
class ParameterCounts:
    """Parameters of a model, each counted once.

    Attributes:
        shared: the backbone without its blocks from `shared_layers` on: the layers that run once
            for all tasks, and those before and after the blocks. Pruning does not reduce it.
        experts: experts and gates.
        other: the other blocks without the modules that experts replace, task embeddings and
            heads.
    """

    shared: int
    experts: int
    other: int

    @property
    def total(self) -> int:
        """The sum of all counts."""
        return self.shared + self.experts + self.other

    def dump(self, full: "ParameterCounts") -> dict[str, int | float]:
        """Return the counts, and their shares of a full model's: of all, not shared, of experts."""
        return {
            "parameters": self.total,
            "trunk_parameters": self.shared,
            "expert_parameters": self.experts,
            "share": self.total / full.total,
            "share_above_trunk": (self.total - self.shared) / (full.total - full.shared),
            "share_of_experts": self.experts / full.experts,
        }


def count_model_parameters(model: PeftModel, adapter: str = "default") -> ParameterCounts:
    """Count the parameters of a grafted `MultiTaskVisionModel`, without replaced modules."""
    layers = get_adapter_layers(model, adapter).values()
    ends = tuple(f"{kind}.{adapter}" for kind in ("coterie_experts", "coterie_gate"))
    experts = [each for layer in layers for name, each in layer.named_modules() if name in ends]
    idle = [layer.get_base_layer() for layer in layers]
    idle += [each for name, each in model.named_modules() if name.endswith(".original_module")]
    base_model = model.get_base_model()
    assert isinstance(base_model, MultiTaskVisionModel)
    return count_by_group(base_model, experts, idle)


def count_pruned_parameters(small: PrunedVisionModel) -> ParameterCounts:
    """Count the parameters of a pruned model."""
    experts = [each for each in small.modules() if isinstance(each, PrunedMixtureLayer)]
    return count_by_group(small.vision, experts, [])


def count_by_group(
    base_model: MultiTaskVisionModel, experts: Iterable[nn.Module], idle: Iterable[nn.Module]
) -> ParameterCounts:
    """Count each parameter in the first group that has it: idle, experts, shared, other.

    `experts` are modules of experts and gates; `idle` ones are replaced, and not counted.
    """

    def get_ids(modules: Iterable[nn.Module]) -> set[int]:
        return {id(parameter) for module in modules for parameter in module.parameters()}

    replaced, expert = get_ids(idle), get_ids(experts)
    shared = get_ids(base_model.get_backbones()) - get_ids(base_model.get_own_blocks())
    sizes = {"shared": 0, "experts": 0, "other": 0}
    for parameter in base_model.parameters():
        key = id(parameter)
        if key not in replaced:
            kind = "experts" if key in expert else "shared" if key in shared else "other"
            sizes[kind] += parameter.numel()
    return ParameterCounts(**sizes)
