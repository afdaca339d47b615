"""`WhisperEncoder`: Whisper encoder states, averaged over short windows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import WhisperConfig
from transformers.activations import ACT2FN
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.models.whisper.modeling_whisper import WhisperAttention

from coterie.encoding.connector import Count, Features
from coterie.encoding.encoder import Encoder, Lengths, Rows
from coterie.models.omni.spectrograms import describe_extractor, prepare_recordings

PREFIX = "model.encoder."


@dataclass(frozen=True, kw_only=True)
class WhisperEncoder(Encoder):
    """A Whisper encoder with one token per `pool` states of 20 ms; the last may have fewer.

    Attributes:
        config: fields of `WhisperConfig`.
        pool: number of states per token.
        chunks: the most chunks of a recording; each has the states that the encoder has positions
            for, 30 s, and is encoded alone.
    """

    name: str = "audio"
    config: Mapping[str, Any] = field(default_factory=dict)
    pool: int = 8
    chunks: int = 1
    modality: ClassVar = "audio"

    @property
    def width(self) -> int:
        return WhisperConfig(**self.config).d_model

    def build_tower(self) -> nn.Module:
        return WhisperTower(WhisperConfig(**self.config))

    def prepare(
        self, items: Sequence[Any], processor: Any, options: Mapping[str, Any]
    ) -> tuple[Rows, Lengths]:
        return prepare_recordings(items, processor.feature_extractor, options, self.chunks)

    def describe_preparation(self, processor: Any) -> str:
        return describe_extractor(processor.feature_extractor)

    def count_tokens(self, length: Count) -> Count:
        return cast(Count, -(-count_states(length) // self.pool))

    def encode(self, tower: nn.Module, values: Rows, lengths: Lengths) -> Features:
        limit = self.chunk_frames * self.chunks
        if values.shape[2] > limit:
            raise ValueError(
                f"a sound has {values.shape[2]} frames of 10 ms; the encoder {self.name!r} hears "
                f"at most {limit}: cut it into shorter sounds"
            )
        if values.shape[2] > self.chunk_frames:
            x = self.encode_chunks(tower, values, lengths)
        else:
            x = tower(values, lengths)
        x = nn.functional.pad(x, (0, 0, 0, -x.shape[1] % self.pool))
        inside = torch.arange(x.shape[1], device=x.device) < count_states(lengths)[:, None]
        inside = inside.unflatten(1, (-1, self.pool))
        sums = x.unflatten(1, (-1, self.pool)).where(inside[..., None], 0).sum(2)
        return sums / inside.sum(2).clamp(min=1)[..., None]

    @property
    def chunk_frames(self) -> int:
        """The most frames that the encoder has positions for."""
        return 2 * WhisperConfig(**self.config).max_source_positions

    def encode_chunks(self, tower: nn.Module, values: Rows, lengths: Lengths) -> Features:
        """Compute the states of recordings of several chunks, each alone."""
        found = []
        for item, length in zip(values, lengths.tolist(), strict=True):
            parts = item[None, :, :length].split(self.chunk_frames, 2)
            sizes = [torch.tensor([part.shape[2]], device=values.device) for part in parts]
            states = [tower(part, size)[0] for part, size in zip(parts, sizes, strict=True)]
            found.append(torch.cat(states))
        return nn.utils.rnn.pad_sequence(found, batch_first=True)

    def load_weights(self, folder: Path) -> dict[str, Tensor]:
        state = load_file(folder / "model.safetensors")
        own = {key: value for key, value in state.items() if key.startswith(PREFIX)}
        return {key[len(PREFIX) :].replace(".fc", ".mlp.fc"): own[key] for key in own}


class WhisperTower(nn.Module):
    """Whisper's encoder (Radford et al., 2212.04356); for audio of 30 s, equal to transformers'.

    Departs: shorter audio uses the first position embeddings and no padding, at a cost proportional
    to its length. The MLP is a separate module, so that experts can be attached.
    """

    def __init__(self, config: WhisperConfig):
        super().__init__()
        config._attn_implementation = "sdpa"
        width = config.d_model
        self.config = config
        self.conv1 = nn.Conv1d(config.num_mel_bins, width, kernel_size=3, padding=1)
        self.conv2 = nn.Conv1d(width, width, kernel_size=3, stride=2, padding=1)
        self.embed_positions = nn.Embedding(config.max_source_positions, width)
        self.layers = nn.ModuleList(WhisperLayer(config) for _ in range(config.encoder_layers))
        self.layer_norm = nn.LayerNorm(width)

    def forward(self, mel: Float[Tensor, "rows bands frames"], lengths: Lengths) -> Features:
        """Return a state per 20 ms, arbitrary beyond an item's `lengths`, in frames of 10 ms."""
        gelu = nn.functional.gelu
        # As without batching, both convolutions see zeros after the item instead of padded values.
        inside = torch.arange(mel.shape[2], device=mel.device) < lengths[:, None]
        own = inside[:, None].to(mel.dtype)
        x = gelu(self.conv1(mel * own)) * own
        x = gelu(self.conv2(x)).permute(0, 2, 1)
        x = x + self.embed_positions.weight[: x.shape[1]]
        mask = create_bidirectional_mask(
            config=self.config, inputs_embeds=x, attention_mask=inside[:, ::2].long()
        )
        for layer in self.layers:
            x = layer(x, mask)
        return self.layer_norm(x)


class WhisperLayer(GradientCheckpointingLayer):
    """Attention and MLP, pre-norm with residual connections."""

    def __init__(self, config: WhisperConfig):
        super().__init__()
        self.self_attn = WhisperAttention(
            config.d_model, config.encoder_attention_heads, config.attention_dropout, config=config
        )
        self.self_attn_layer_norm = nn.LayerNorm(config.d_model)
        self.mlp = WhisperMlp(config)
        self.final_layer_norm = nn.LayerNorm(config.d_model)

    def forward(self, x: Features, mask: Tensor | None) -> Features:
        x = x + self.self_attn(self.self_attn_layer_norm(x), attention_mask=mask)[0]
        return x + self.mlp(self.final_layer_norm(x))


class WhisperMlp(nn.Sequential):
    """The MLP: fc2(act(fc1(x)))."""

    def __init__(self, config: WhisperConfig):
        super().__init__()
        self.fc1 = nn.Linear(config.d_model, config.encoder_ffn_dim)
        self.act = ACT2FN[config.activation_function]
        self.fc2 = nn.Linear(config.encoder_ffn_dim, config.d_model)


def count_states(length: Count) -> Count:
    """Count the encoder states of `length` frames; the second convolution has stride 2."""
    return cast(Count, (length + 1) // 2)
