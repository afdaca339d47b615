"""`WhisperEncoder`: Whisper encoder states, averaged over short windows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import WhisperConfig

from coterie.models.omni.encoders.base import Count, Encoder
from coterie.models.omni.whisper_encoder import WhisperTower

PREFIX = "model.encoder."


@dataclass(frozen=True, kw_only=True)
class WhisperEncoder(Encoder):
    """A Whisper encoder with one token per `pool` states of 20 ms; the last may have fewer.

    Attributes:
        config: fields of `WhisperConfig`.
        pool: number of states per token.
    """

    name: str = "audio"
    config: Mapping[str, Any] = field(default_factory=dict)
    pool: int = 8
    modality: ClassVar = "audio"

    @property
    def width(self) -> int:
        return WhisperConfig(**self.config).d_model

    def build_tower(self) -> nn.Module:
        return WhisperTower(WhisperConfig(**self.config))

    def count_tokens(self, length: Count) -> Count:
        return cast(Count, -(-count_states(length) // self.pool))

    def encode(
        self, tower: nn.Module, values: Float[Tensor, "rows ..."], lengths: Int[Tensor, " rows"]
    ) -> Float[Tensor, "rows seq width"]:
        limit = 2 * WhisperConfig(**self.config).max_source_positions
        if values.shape[2] > limit:
            raise ValueError(
                f"a sound has {values.shape[2]} frames of 10 ms; the encoder {self.name!r} hears "
                f"at most {limit}: cut it into shorter sounds"
            )
        x = tower(values, lengths)
        groups = -(-x.shape[1] // self.pool)
        inside = torch.arange(groups * self.pool, device=x.device) < count_states(lengths)[:, None]
        x = nn.functional.pad(x, (0, 0, 0, groups * self.pool - x.shape[1]))
        inside = inside.unflatten(1, (groups, self.pool))
        sums = x.unflatten(1, (groups, self.pool)).where(inside[..., None], 0).sum(2)
        return sums / inside.sum(2).clamp(min=1)[..., None]

    def load_weights(self, folder: Path) -> dict[str, Tensor]:
        state = load_file(folder / "model.safetensors")
        return {
            key.removeprefix(PREFIX).replace(".fc", ".mlp.fc"): value
            for key, value in state.items()
            if key.startswith(PREFIX)
        }


def count_states(length: Count) -> Count:
    """Count the encoder states of `length` frames; the second convolution has stride 2."""
    return cast(Count, (length + 1) // 2)
