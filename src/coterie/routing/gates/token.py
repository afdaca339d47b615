"""`TokenGate`: one decision a token (Shazeer et al. 2017, arXiv:1701.06538)."""

from dataclasses import dataclass

import torch

from coterie.routing.context import RoutingContext
from coterie.routing.decision import LayerInput, to_full_precision
from coterie.routing.gates.base import Gate, GateLayer, GateOutput, LayerSite, check_init_std


@dataclass(frozen=True, kw_only=True)
class TokenGate(Gate):
    """logits = W x + b for every token.

    Attributes:
        bias: add b (RoDE's and Uni-MoE's gates have no known bias).
        init_std: standard deviation of W at initialisation; 0 starts from a uniform decision.
        precise: compute the logits in float32, for 5 to 11 % of a layer in bfloat16. By default
            they come from one product with the experts in the activations' dtype.
        jitter: in training, multiply each feature of the gate's input by a random number between
            1 - jitter and 1 + jitter, and compute the logits in float32 (arXiv:2101.03961 section
            2.4; 0.01 in Uni-MoE 2's code). In [0, 1).
    """

    bias: bool = False
    init_std: float = 0.02
    precise: bool = False
    jitter: float = 0.0

    def __post_init__(self) -> None:
        check_init_std(self, self.init_std)
        if not 0 <= self.jitter < 1:
            raise ValueError(f"TokenGate(jitter={self.jitter!r}): a share in [0, 1)")

    def build(self, width: int, experts: int, tasks: int) -> GateLayer:
        bias = torch.zeros(experts) if self.bias else None
        return _TokenGateLayer(self, torch.randn(experts, width) * self.init_std, bias)


class _TokenGateLayer(GateLayer):
    def forward(self, x: LayerInput, context: RoutingContext, site: LayerSite) -> GateOutput:
        jitter = self.gate.jitter if self.training else 0.0
        if not (self.gate.precise or jitter):
            return GateOutput(gate_weight=self.weight, gate_bias=self.bias)
        x = to_full_precision(x)
        if jitter:
            x = x * torch.empty_like(x).uniform_(1 - jitter, 1 + jitter)
        return GateOutput(logits=self.compute_logits(x))
