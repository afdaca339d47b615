"""`WhisperConnector`: Whisper's decoder, reading an encoder's states by learned queries."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperDecoder

from coterie.encoding.connector import Connector, Count, Features


@dataclass(frozen=True, kw_only=True)
class WhisperConnector(Connector):
    """Whisper's decoder as a Q-Former (Uni-MoE, 2405.11273), and a linear map.

    The queries, zero at first, stand in place of the embedded text; a chunk of the recording, 30 s
    of states for a `WhisperEncoder(pool=1)`, gives one embedding a query. Embeddings of words are
    left out, as nothing reads them.

    Attributes:
        config: fields of `WhisperConfig`; d_model is the encoder's width.
        queries: queries of a chunk.
        chunk_tokens: encoder tokens of a chunk; the last of a recording may have fewer.
        max_chunks: the most chunks of a recording; longer ones are refused.
    """

    config: Mapping[str, Any] = field(default_factory=dict)
    queries: int = 50
    chunk_tokens: int = 1500
    max_chunks: int = 20

    def count_tokens(self, count: Count) -> Count:
        return cast(Count, self.queries * -(-count // self.chunk_tokens))

    def build(self, width: int, hidden: int, out: int) -> nn.Module:
        config = WhisperConfig(**self.config)
        if config.d_model != width or config.max_target_positions < self.queries:
            raise ValueError(
                f"WhisperConnector has d_model {config.d_model} and max_target_positions "
                f"{config.max_target_positions}: the encoder's tokens have width {width}, and "
                f"there are {self.queries} queries; give a config that fits"
            )
        return WhisperQueries(config, self.queries, out)

    def project(
        self, network: Any, features: Features, own: Bool[Tensor, "rows seq"]
    ) -> Float[Tensor, "rows tokens out"]:
        counts = own.sum(1).tolist()
        if max(counts) > self.chunk_tokens * self.max_chunks:
            raise ValueError(
                f"a recording has {max(counts)} tokens, and WhisperConnector reads at most "
                f"{self.max_chunks} chunks of {self.chunk_tokens}: cut it into shorter ones"
            )
        rows = [
            torch.cat([network(part) for part in item[None, :count].split(self.chunk_tokens, 1)], 1)
            for item, count in zip(features, counts, strict=True)
        ]
        return nn.utils.rnn.pad_sequence([row[0] for row in rows], batch_first=True)


class WhisperQueries(nn.Module):
    """The decoder on learned queries; it takes no mask of the states, so chunks run alone."""

    def __init__(self, config: WhisperConfig, queries: int, out: int):
        super().__init__()
        decoder: Any = WhisperDecoder(config)
        decoder.embed_tokens = nn.Identity()
        self.decoder = decoder
        self.queries = nn.Parameter(torch.zeros(1, queries, config.d_model))
        self.linear_2 = nn.Linear(config.d_model, out)

    def forward(self, states: Features) -> Float[Tensor, "rows tokens out"]:
        found = self.decoder(
            inputs_embeds=self.queries.expand(len(states), -1, -1),
            encoder_hidden_states=states,
            use_cache=False,
        )
        return self.linear_2(found.last_hidden_state)
