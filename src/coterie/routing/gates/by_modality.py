"""`ByModality`: fixed weights of the experts for each modality of the tokens, nothing learned."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from jaxtyping import Float32
from torch import Tensor, nn

from coterie.modalities.base import find_modalities
from coterie.routing.context import RoutingContext
from coterie.routing.decision import LayerInput
from coterie.routing.gates.base import Gate, GateLayer, GateOutput, LayerSite

TEXT = "text"


@dataclass(frozen=True, kw_only=True)
class ByModality(Gate):
    """A hard gate: the logits are numbers given for the token's modality; it has no parameters.

    With `Rectified` the weights of the experts are these numbers. Tokens of the language model are
    told apart by the family's placeholder ids in `input_ids`; all tokens of an encoder are of its
    modality. Tokens that `generate` appends are text.

    Source: DAMC's decoupling (Chen et al. 2024, arXiv:2402.12750), where the tokens of a modality
    and those of text go through LoRAs of their own.

    Attributes:
        weights: modality -> a number of at least 0 for each expert. "text" has to be in it;
            modalities that are not have the numbers of text. Empty for DAMC's: text goes through
            the first expert alone, all other modalities through the last.
    """

    weights: Mapping[str, tuple[float, ...]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        rows = {name: tuple(map(float, row)) for name, row in self.weights.items()}
        object.__setattr__(self, "weights", rows)
        known = [each.name for each in find_modalities()]
        for name, row in rows.items():
            given = f"ByModality(weights={{{name!r}: {row}, ...}})"
            if name not in known:
                raise ValueError(f"{given}: the modalities are {', '.join(known)}")
            if len(row) != len(next(iter(rows.values()))) or not row:
                raise ValueError(f"{given}: give each modality one number for each expert")
            if not all(0 <= each < math.inf for each in row):
                raise ValueError(f"{given}: give numbers of at least 0, as `Rectified` has 0 below")
        if rows and TEXT not in rows:
            raise ValueError(
                f"ByModality(weights={rows}) has no {TEXT!r}: give the numbers of text, which "
                "modalities that are not listed have, too"
            )

    @property
    def depends_on_task_only(self) -> bool:
        """Whether all modalities have the same numbers, so that the experts are one LoRA."""
        return len({*self.weights.values()}) == 1

    def get_row(self, modality: str, experts: int) -> tuple[float, ...]:
        """Return the numbers of a modality, one for each of `experts`."""
        if self.weights:
            return self.weights.get(modality, self.weights[TEXT])
        own = 0 if modality == TEXT else experts - 1
        return tuple(float(each == own) for each in range(experts))

    def select(self, modalities: Iterable[str], experts: int) -> "ByModality":
        """Return the gate of tokens of these modalities and of text alone."""
        rows = {name: self.get_row(name, experts) for name in (TEXT, *modalities)}
        return ByModality(weights=rows)

    def build(self, width: int, experts: int, tasks: int) -> GateLayer:
        found = len(self.get_row(TEXT, experts))
        if found != experts:
            raise ValueError(
                f"ByModality has {found} numbers for each modality, and the mixture weighs "
                f"{experts} experts: give one for each, in the experts' order"
            )
        return _ByModalityLayer(self, experts)


class _ByModalityLayer(GateLayer):
    def __init__(self, gate: ByModality, experts: int):
        nn.Module.__init__(self)  # GateLayer's own makes parameters
        self.gate, self.experts = gate, experts

    def forward(self, x: LayerInput, context: RoutingContext, site: LayerSite) -> GateOutput:
        if self.gate.depends_on_task_only:
            row = self.gate.get_row(TEXT, self.experts)
            return GateOutput(logits=_get_table((row,), x.device), is_uniform=True)
        names = tuple(dict.fromkeys([*context.modalities, *context.tower_modalities.values()]))
        modality = context.get_modality_of_tokens(site.tower, x.shape[:-1], names)
        if modality is None:
            raise ValueError(
                f"ByModality at {site.name} does not know the tokens' modality: call the model "
                "with input_ids (not only inputs_embeds), on a family whose placeholders are known"
            )
        rows = tuple(self.gate.get_row(name, self.experts) for name in names)
        return GateOutput(logits=_get_table(rows, x.device)[modality.to(x.device)])


def _get_table(
    rows: tuple[tuple[float, ...], ...], device: torch.device
) -> Float32[Tensor, "modalities experts"]:
    """Return the rows on a device; all layers of a model share one copy."""
    if torch.compiler.is_compiling():
        return torch.tensor(rows, device=device)
    return _copy_once(rows, device)


@lru_cache(maxsize=64)
def _copy_once(rows: tuple[tuple[float, ...], ...], device: torch.device) -> Tensor:
    # A tensor first made under inference_mode could never be saved for a later backward.
    with torch.inference_mode(False):
        return torch.tensor(rows, device=device)
