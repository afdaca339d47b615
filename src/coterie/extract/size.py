"""How many numbers a model's weights are, by what they are for; of a whole and of what is cut."""

from collections.abc import Iterable
from dataclasses import dataclass

from peft import PeftModel
from torch import nn

from coterie.dense.model import MultiTaskVision
from coterie.dense.pruned import PrunedVision
from coterie.dense.pruned_layer import PrunedLayer
from coterie.extract.task import layers_of


@dataclass(frozen=True, kw_only=True)
class Size:
    """Numbers in weights, each counted once.

    Attributes:
        trunk: the backbone without its blocks from `shared_layers` on: what runs once for all
            tasks, and what stands before and after the blocks. No cut makes it smaller.
        experts: experts and gates.
        rest: the other blocks but for what experts replace, the tasks' vectors, and heads.
    """

    trunk: int
    experts: int
    rest: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.trunk + self.experts + self.rest

    def dump(self, whole: "Size") -> dict[str, int | float]:
        """The counts, and as shares of a whole: of all, above the trunk, and of the experts."""
        own, of = self.total - self.trunk, whole.total - whole.trunk
        return {
            "parameters": self.total,
            "trunk_parameters": self.trunk,
            "expert_parameters": self.experts,
            "share": self.total / whole.total,
            "share_above_trunk": own / of,
            "share_of_experts": self.experts / whole.experts,
        }


def whole_size(model: PeftModel, adapter: str = "default") -> Size:
    """Of a grafted `MultiTaskVision` with all its tasks; replaced modules do not count."""
    layers = layers_of(model, adapter).values()
    experts = [each for layer in layers for each in parts(layer, adapter)]
    idle = [layer.get_base_layer() for layer in layers]
    idle += [each for name, each in model.named_modules() if name.endswith(".original_module")]
    host = model.get_base_model()
    assert isinstance(host, MultiTaskVision)
    return counted(host, experts, idle)


def pruned_size(small: PrunedVision) -> Size:
    """Of a model that was cut out."""
    experts = [each for each in small.modules() if isinstance(each, PrunedLayer)]
    return counted(small.vision, experts, [])


def parts(layer: nn.Module, adapter: str) -> list[nn.Module]:
    """An adapter's experts and gate at one module."""
    ends = tuple(f"{kind}.{adapter}" for kind in ("coterie_experts", "coterie_gate"))
    return [module for name, module in layer.named_modules() if name in ends]


def counted(host: MultiTaskVision, experts: Iterable[nn.Module], idle: Iterable[nn.Module]) -> Size:
    """Each parameter in the first of these groups that holds it: idle, experts, trunk, rest."""
    blocks = host.blocks()
    above = ids(list(blocks)[host.config.shared_layers :])
    left_out, expert, trunk = ids(idle), ids(experts), ids([host.backbone]) - above
    sizes = {"trunk": 0, "experts": 0, "rest": 0}
    for parameter in host.parameters():
        key = id(parameter)
        if key not in left_out:
            kind = "experts" if key in expert else "trunk" if key in trunk else "rest"
            sizes[kind] += parameter.numel()
    return Size(**sizes)


def ids(modules: Iterable[nn.Module]) -> set[int]:
    """Which parameters are in some modules."""
    return {id(parameter) for module in modules for parameter in module.parameters()}
