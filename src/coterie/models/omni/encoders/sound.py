"""`SoundEncoder`: a small network for sounds: convolutions over a log-mel, then a transformer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn

from coterie.encoding.connector import Count, Features
from coterie.encoding.encoder import Encoder, Lengths, Rows
from coterie.models.omni.spectrograms import describe_extractor, prepare_recordings


@dataclass(frozen=True, kw_only=True)
class SoundEncoder(Encoder):
    """A small encoder of sounds: the log-mel of Whisper's extractor, 10 ms a frame, 16 kHz mono.

    By default 1.6 million parameters, a state per 80 ms and a token per 320 ms.

    Attributes:
        bands: mel bands of its input.
        channels: output channels of the convolutions; each halves time and bands.
        dim: width of the transformer.
        layers: number of transformer layers.
        heads: attention heads; they divide `dim`.
        pool: number of states that a token is the mean of; the last may have fewer.
    """

    name: str = "sound"
    hidden: int = 384
    bands: int = 80
    channels: tuple[int, ...] = (32, 64, 128)
    dim: int = 192
    layers: int = 3
    heads: int = 4
    pool: int = 4
    modality: ClassVar = "sound"

    @property
    def width(self) -> int:
        return self.dim

    def build_tower(self) -> nn.Module:
        return SoundTower(self.bands, self.channels, self.dim, self.layers, self.heads)

    def prepare(
        self, items: Sequence[Any], processor: Any, options: Mapping[str, Any]
    ) -> tuple[Rows, Lengths]:
        return prepare_recordings(items, processor.feature_extractor, options)

    def describe_preparation(self, processor: Any) -> str:
        return describe_extractor(processor.feature_extractor)

    def count_tokens(self, length: Count) -> Count:
        return cast(Count, -(-count_states(length, len(self.channels)) // self.pool))

    def encode(self, tower: nn.Module, values: Rows, lengths: Lengths) -> Features:
        return average_states(
            tower(values, lengths), count_states(lengths, len(self.channels)), self.pool
        )

    def load_weights(self, folder: Path) -> dict[str, Tensor]:
        return load_file(folder / "model.safetensors")


class SoundTower(nn.Module):
    """Convolutions of stride 2 with a norm over the channels, and pre-norm transformer layers.

    A state depends on its own item alone: what is beyond an item's frames is zero after each
    convolution, and masked in the attention.
    """

    def __init__(self, bands: int, channels: Sequence[int], dim: int, layers: int, heads: int):
        super().__init__()
        widths = (1, *channels)
        self.convs = nn.ModuleList(
            nn.Conv2d(width, out, kernel_size=3, stride=2, padding=1)
            for width, out in zip(widths, channels, strict=False)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(out) for out in channels)
        self.project = nn.Linear(widths[-1] * count_states(bands, len(channels)), dim)
        self.layers = nn.ModuleList(SoundLayer(dim, heads) for _ in range(layers))
        self.layer_norm = nn.LayerNorm(dim)

    def forward(self, mel: Float[Tensor, "rows bands frames"], lengths: Lengths) -> Features:
        """Return a state per 2**convolutions frames, arbitrary beyond an item's `lengths`."""
        x, own = mel[:, None], mask_frames(lengths, mel.shape[2])
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = conv(x * own[:, None, None])
            lengths = count_states(lengths, 1)
            x = nn.functional.gelu(norm(x.transpose(1, 3)).transpose(1, 3))
            own = mask_frames(lengths, x.shape[3])
        x = self.project(x.permute(0, 3, 1, 2).flatten(2))
        x = x + encode_positions(x.shape[1], x.shape[2]).to(x)
        for layer in self.layers:
            x = layer(x, own)
        return self.layer_norm(x)


class SoundLayer(nn.Module):
    """Attention and MLP, pre-norm with residual connections."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.self_attn_layer_norm = nn.LayerNorm(dim)
        self.self_attn = SoundAttention(dim, heads)
        self.final_layer_norm = nn.LayerNorm(dim)
        self.mlp = SoundMlp(dim)

    def forward(self, x: Features, own: Tensor) -> Features:
        x = x + self.self_attn(self.self_attn_layer_norm(x), own)
        return x + self.mlp(self.final_layer_norm(x))


class SoundAttention(nn.Module):
    """Attention of every state to the states of its own item."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.v_proj, self.out_proj = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, x: Features, own: Tensor) -> Features:
        parts = (self.q_proj(x), self.k_proj(x), self.v_proj(x))
        q, k, v = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in parts)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=own[:, None, None])
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


class SoundMlp(nn.Sequential):
    """The MLP: fc2(gelu(fc1(x))), four times as wide inside."""

    def __init__(self, dim: int):
        super().__init__()
        self.fc1, self.act, self.fc2 = nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim)


def count_states(length: Count, convolutions: int) -> Count:
    """Count what is left of `length` frames after convolutions of stride 2: halves, rounded up."""
    return cast(Count, -(-length // 2**convolutions))


def mask_frames(lengths: Lengths, longest: int) -> Tensor:
    """Return whether each of `longest` frames is one of the item's own; one always is."""
    return torch.arange(longest, device=lengths.device) < lengths[:, None].clamp(min=1)


def average_states(
    states: Features, counts: Lengths, pool: int
) -> Float[Tensor, "rows tokens width"]:
    """Return the means of `pool` states each, the last of an item of as many as are its own."""
    states = nn.functional.pad(states, (0, 0, 0, -states.shape[1] % pool))
    inside = mask_frames(counts, states.shape[1]).unflatten(1, (-1, pool))
    sums = states.unflatten(1, (-1, pool)).where(inside[..., None], 0).sum(2)
    return sums / inside.sum(2).clamp(min=1)[..., None]


def encode_positions(count: int, width: int) -> Float[Tensor, "seq width"]:
    """Return sines and cosines of positions (Vaswani et al., 1706.03762, section 3.5)."""
    rates = torch.exp(torch.arange(0, width, 2) * (-torch.log(torch.tensor(10000.0)) / width))
    angles = torch.arange(count)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :width]
