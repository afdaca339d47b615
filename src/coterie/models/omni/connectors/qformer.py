"""`QFormerConnector`: learned queries that attend to an item's tokens, as in BLIP-2."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformers import Blip2QFormerConfig, Blip2QFormerModel

from coterie.encoding.connector import Connector, Count, Features


@dataclass(frozen=True, kw_only=True)
class QFormerConnector(Connector):
    """A Q-Former (Li et al., 2301.12597) of the encoder's `hidden` width, and a linear map.

    Every item gives `queries` embeddings, however long it is. Uni-MoE's for sounds has 50 queries
    and 12 layers, of width 768.

    Attributes:
        queries: number of learned queries.
        layers: number of layers: attention among the queries, to the item, and an MLP.
        heads: attention heads; they divide `hidden`.
        cross_every: every n-th layer, from the first, attends to the item.
        dropout: of states and attention in training; BLIP-2 has 0.1.
    """

    queries: int = 32
    layers: int = 4
    heads: int = 12
    cross_every: int = 2
    dropout: float = 0.0

    def count_tokens(self, count: Count) -> Count:
        return 0 * count + self.queries

    def build(self, width: int, hidden: int, out: int) -> nn.Module:
        if hidden % self.heads:
            raise ValueError(
                f"QFormerConnector(heads={self.heads}) does not divide the width {hidden}: give "
                "heads that do, or another `hidden` to the encoder"
            )
        return QFormer(self, width, hidden, out)

    def project(
        self, network: Any, features: Features, own: Bool[Tensor, "rows seq"]
    ) -> Float[Tensor, "rows tokens out"]:
        return network(features, own)


class QFormer(nn.Module):
    """BLIP-2's Q-Former without text, between a norm of its input and a linear map."""

    def __init__(self, kind: QFormerConnector, width: int, hidden: int, out: int):
        super().__init__()
        config = Blip2QFormerConfig(
            hidden_size=hidden,
            num_hidden_layers=kind.layers,
            num_attention_heads=kind.heads,
            intermediate_size=4 * hidden,
            encoder_hidden_size=width,
            cross_attention_frequency=kind.cross_every,
            hidden_dropout_prob=kind.dropout,
            attention_probs_dropout_prob=kind.dropout,
        )
        self.norm = nn.LayerNorm(width)
        self.queries = nn.Parameter(torch.randn(1, kind.queries, hidden) * 0.02)
        self.qformer = Blip2QFormerModel._from_config(config)
        self.linear_2 = nn.Linear(hidden, out)

    def forward(
        self, features: Features, own: Bool[Tensor, "rows seq"]
    ) -> Float[Tensor, "rows tokens out"]:
        found = self.qformer(
            query_embeds=self.queries.expand(len(features), -1, -1),
            encoder_hidden_states=self.norm(features),
            encoder_attention_mask=own.long(),
        )
        return self.linear_2(found.last_hidden_state)
