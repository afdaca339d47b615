"""`ModalityGate`: one gate for each modality of the tokens: text, image, video or audio."""

from dataclasses import dataclass

import torch

from coterie.modalities.base import find_modalities
from coterie.routing.context import RoutingContext
from coterie.routing.decision import LayerInput
from coterie.routing.gates.base import (
    Gate,
    GateLayer,
    GateOutput,
    LayerSite,
    check_init_std,
    gather_logits,
)


@dataclass(frozen=True, kw_only=True)
class ModalityGate(Gate):
    """A matrix for each modality: logits = W_modality x for every token.

    The language model's tokens are distinguished by the family's placeholder ids in `input_ids`;
    all tokens of a vision tower are image tokens. Tokens that `generate` appends are text.

    Attributes:
        modalities: those that have a matrix, in the order of the matrices. They are saved with the
            gate, so that a new modality in coterie changes no saved weight.
        init_std: standard deviation of the matrices at initialisation.
    """

    modalities: tuple[str, ...] = ("text", "image", "video", "audio")
    init_std: float = 0.02

    def __post_init__(self) -> None:
        check_init_std(self, self.init_std)
        object.__setattr__(self, "modalities", tuple(self.modalities))
        known = [each.name for each in find_modalities()]
        unknown = [name for name in self.modalities if name not in known]
        if unknown:
            raise ValueError(
                f"ModalityGate(modalities={self.modalities}): {unknown[0]!r} is none of "
                f"{', '.join(known)}"
            )
        if not self.modalities or len(set(self.modalities)) < len(self.modalities):
            raise ValueError(
                f"ModalityGate(modalities={self.modalities}): give each modality once, at least one"
            )

    def build(self, width: int, experts: int, tasks: int) -> GateLayer:
        weight = torch.randn(len(self.modalities), experts, width)
        return _ModalityGateLayer(self, weight * self.init_std)


class _ModalityGateLayer(GateLayer):
    def forward(self, x: LayerInput, context: RoutingContext, site: LayerSite) -> GateOutput:
        modality = context.get_modality_of_tokens(site.tower, x.shape[:-1], self.gate.modalities)
        if modality is None:
            raise ValueError(
                f"ModalityGate at {site.name} does not know the tokens' modality: call the model "
                "with input_ids (not only inputs_embeds), on a family whose placeholders are known"
            )
        modality = modality.to(x.device)  # a model may be spread over devices
        return GateOutput(logits=gather_logits(x, self.weight, modality))
