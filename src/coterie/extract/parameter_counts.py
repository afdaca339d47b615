"""How many numbers a model's weights are, by what they are for; of a whole and of what is cut."""

from collections.abc import Iterable
from dataclasses import dataclass

from peft import PeftModel
from torch import nn

from coterie.extract.fixed_task import get_adapter_layers
from coterie.models.multitask_vision.modeling import MultiTaskVisionModel
from coterie.models.pruned_vision.modeling import PrunedMixtureLayer, PrunedVisionModel


@dataclass(frozen=True, kw_only=True)
class ParameterCounts:
    """Numbers in weights, each counted once.

    Attributes:
        trunk: the backbone without its blocks from `shared_layers` on: what runs once for all
            tasks, and what stands before and after the blocks. No cut makes it smaller.
        experts: experts and gates.
        rest: the other blocks but for what experts replace, the tasks' vectors, and heads.
    """

    shared: int
    experts: int
    other: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.shared + self.experts + self.other

    def dump(self, whole: "ParameterCounts") -> dict[str, int | float]:
        """The counts, and as shares of a whole: of all, above the trunk, and of the experts."""
        own, of = self.total - self.shared, whole.total - whole.shared
        return {
            "parameters": self.total,
            "trunk_parameters": self.shared,
            "expert_parameters": self.experts,
            "share": self.total / whole.total,
            "share_above_trunk": own / of,
            "share_of_experts": self.experts / whole.experts,
        }


def count_model_parameters(model: PeftModel, adapter: str = "default") -> ParameterCounts:
    """Of a grafted `MultiTaskVision` with all its tasks; replaced modules do not count."""
    layers = get_adapter_layers(model, adapter).values()
    experts = [each for layer in layers for each in get_adapter_modules(layer, adapter)]
    idle = [layer.get_base_layer() for layer in layers]
    idle += [each for name, each in model.named_modules() if name.endswith(".original_module")]
    host = model.get_base_model()
    assert isinstance(host, MultiTaskVisionModel)
    return count_by_group(host, experts, idle)


def count_pruned_parameters(small: PrunedVisionModel) -> ParameterCounts:
    """Of a model that was cut out."""
    experts = [each for each in small.modules() if isinstance(each, PrunedMixtureLayer)]
    return count_by_group(small.vision, experts, [])


def get_adapter_modules(layer: nn.Module, adapter: str) -> list[nn.Module]:
    """An adapter's experts and gate at one module."""
    ends = tuple(f"{kind}.{adapter}" for kind in ("coterie_experts", "coterie_gate"))
    return [module for name, module in layer.named_modules() if name in ends]


def count_by_group(
    base_model: MultiTaskVisionModel, experts: Iterable[nn.Module], idle: Iterable[nn.Module]
) -> ParameterCounts:
    """Each parameter in the first of these groups that holds it: idle, experts, trunk, rest."""
    blocks = base_model.get_blocks()
    above = get_parameter_ids(list(blocks)[base_model.config.shared_layers :])
    left_out, expert, trunk = (
        get_parameter_ids(idle),
        get_parameter_ids(experts),
        get_parameter_ids([base_model.backbone]) - above,
    )
    sizes = {"trunk": 0, "experts": 0, "rest": 0}
    for parameter in base_model.parameters():
        key = id(parameter)
        if key not in left_out:
            kind = "experts" if key in expert else "trunk" if key in trunk else "rest"
            sizes[kind] += parameter.numel()
    return ParameterCounts(**sizes)


def get_parameter_ids(modules: Iterable[nn.Module]) -> set[int]:
    """Which parameters are in some modules."""
    return {id(parameter) for module in modules for parameter in module.parameters()}
