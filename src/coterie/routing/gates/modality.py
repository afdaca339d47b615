"""Each modality has its own gate, chosen by what a token is: text, image, video or audio."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coterie.routing.context import RoutingContext
from coterie.routing.decision import MODALITIES, to_full_precision
from coterie.routing.gates.base import Gate, GateLayer, GateOutput, LayerSite


@dataclass(frozen=True, kw_only=True)
class ModalityGate(Gate):
    """A matrix for each modality: logits = W_modality x for every token.

    The language model's tokens are told apart by the family's placeholder ids in `input_ids`;
    all tokens of a vision tower are image tokens. Tokens made by `generate` are text.

    Attributes:
        init_std: standard deviation at the start.
    """

    init_std: float = 0.02

    def build(self, width: int, experts: int, tasks: int) -> GateLayer:
        return _ModalityGateLayer(self, width, experts)


class _ModalityGateLayer(GateLayer):
    def __init__(self, gate: ModalityGate, width: int, experts: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(len(MODALITIES), experts, width) * gate.init_std)

    def forward(
        self, x: Float[Tensor, "*units width"], context: RoutingContext, site: LayerSite
    ) -> GateOutput:
        modality = context.get_modality_of_tokens(site.tower, x.shape[:-1])
        if modality is None:
            raise ValueError(
                f"ModalityGate at {site.name} cannot tell the tokens apart: call the model with "
                "input_ids (not only inputs_embeds), on a family whose placeholders are known"
            )
        modality = modality.to(x.device)  # a host may be spread over devices
        every = (x @ self.weight.to(x.dtype).flatten(0, 1).t()).unflatten(-1, self.weight.shape[:2])
        chosen = modality[..., None, None].expand(*modality.shape, 1, every.shape[-1])
        return GateOutput(logits=to_full_precision(every.gather(-2, chosen).squeeze(-2)))
