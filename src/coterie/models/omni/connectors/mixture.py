"""`MixtureConnector`: an embedding for each token of the encoder, by a mixture of MLPs."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coterie.encoding.connector import Connector, Count, Features
from coterie.routing.decision import to_full_precision
from coterie.routing.routers.top_k import TopK


@dataclass(frozen=True, kw_only=True)
class MixtureConnector(Connector):
    """A mixture as the connector between modalities (Alt-MoE, also M3-JEPA; arXiv:2409.05929).

    A direction vector is added to the encoder's tokens, which a linear map takes to the encoder's
    `hidden` features u; the `chosen` of `experts` MLPs with the highest gates, each weighted by its
    share of a softmax over all, give GELU(norm(mixture(u))) + u; a linear map follows.

    Departs: one branch, as a language model's loss trains it, where the paper has one for
    regression and one for contrast; a norm of the tokens, as `MlpConnector` has.

    Attributes:
        experts: MLPs of `hidden` features; 12 in the paper.
        chosen: MLPs that a token uses, at least 1 and at most all; 4 in the paper.
        dropout: after each MLP's two maps in training; 0.1 in the paper.
    """

    experts: int = 12
    chosen: int = 4
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if not 1 <= self.chosen <= self.experts:
            raise ValueError(
                f"MixtureConnector(experts={self.experts}, chosen={self.chosen}): choose at least "
                "one of the experts, and at most all"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"MixtureConnector(dropout={self.dropout}): a share in [0, 1)")

    def count_tokens(self, count: Count) -> Count:
        return count

    def build(self, width: int, hidden: int, out: int) -> nn.Module:
        return ConnectorMixture(self, width, hidden, out)

    def project(
        self, network: Any, features: Features, own: Tensor
    ) -> Float[Tensor, "rows seq out"]:
        return network(features)


class ConnectorMixture(nn.Module):
    """The network of a `MixtureConnector`; its direction is that from the modality to text."""

    def __init__(self, kind: MixtureConnector, width: int, hidden: int, out: int):
        super().__init__()
        self.router = TopK(k=kind.chosen)
        self.direction = nn.Parameter(torch.zeros(width))
        self.norm_in = nn.LayerNorm(width)
        self.linear_in = nn.Linear(width, hidden)
        self.gate = nn.Linear(hidden, kind.experts)
        self.experts = nn.ModuleList(
            nn.Sequential(
                nn.Linear(hidden, hidden), nn.GELU(), nn.Dropout(kind.dropout),
                nn.Linear(hidden, hidden), nn.Dropout(kind.dropout),
            )
            for _ in range(kind.experts)
        )  # fmt: skip
        self.norm = nn.LayerNorm(hidden)
        self.linear_out = nn.Linear(hidden, out)

    def forward(self, features: Features) -> Float[Tensor, "rows seq out"]:
        """Map each token by itself."""
        hidden = nn.functional.gelu(self.linear_in(self.norm_in(features) + self.direction))
        mixed = self.mix(hidden.flatten(0, 1)).view_as(hidden)
        return self.linear_out(nn.functional.gelu(self.norm(mixed)) + hidden)

    def mix(self, hidden: Float[Tensor, "tokens hidden"]) -> Float[Tensor, "tokens hidden"]:
        """Add up the chosen experts' outputs, each computed for the tokens that chose it."""
        weights, _ = self.router(to_full_precision(self.gate(hidden)), None)
        mixed = torch.zeros_like(hidden)
        for number, expert in enumerate(self.experts):
            tokens = weights[:, number].nonzero().flatten()
            share = weights[tokens, number, None].to(hidden.dtype)
            mixed = mixed.index_add(0, tokens, share * expert(hidden[tokens]))
        return mixed
