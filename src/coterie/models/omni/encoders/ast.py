"""`ASTEncoder`: patches of the Audio Spectrogram Transformer, averaged over bands and times."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn
from transformers import ASTConfig, ASTFeatureExtractor, ASTModel
from transformers.utils.import_utils import is_speech_available

from coterie.encoding.connector import Count, Features
from coterie.encoding.encoder import Encoder, Lengths, Rows
from coterie.models.omni.encoders.sound import average_states
from coterie.models.omni.spectrograms import check_recording, check_sampling_rate

WINDOW_SAMPLES, HOP_SAMPLES = 400, 160
"""Kaldi's frames: windows of 25 ms, one each 10 ms, at 16 kHz."""
SPECIAL_TOKENS = 2
"""The class token and the distillation token, which come before the patches."""


@dataclass(frozen=True, kw_only=True)
class ASTEncoder(Encoder):
    """An Audio Spectrogram Transformer (Gong et al., 2104.01778) as `transformers.ASTModel` has it.

    The tower hears 10.24 s of published sizes, silence after the sound, as it was trained; tokens
    are given for the sound's own time alone, each the mean over all bands and `pool` columns of
    patches, 100 ms a column. Longer sounds are refused.

    Attributes:
        config: fields of `ASTConfig`.
        pool: columns per token; the last token may have fewer.
        mean: mean of the log-mel values, of AudioSet unless given.
        std: their standard deviation; published towers are given half-unit values,
            (x - mean) / (2 std).
    """

    name: str = "sound"
    config: Mapping[str, Any] = field(default_factory=dict)
    pool: int = 8
    mean: float = -4.2677393
    std: float = 4.5689974
    modality: ClassVar = "sound"

    @property
    def width(self) -> int:
        return ASTConfig(**self.config).hidden_size

    def build_tower(self) -> nn.Module:
        return ASTModel._from_config(ASTConfig(**self.config))

    def make_extractor(self) -> ASTFeatureExtractor:
        """Make the feature extractor: Kaldi's log-mel, by torchaudio where it is installed."""
        config = ASTConfig(**self.config)
        return ASTFeatureExtractor(
            num_mel_bins=config.num_mel_bins, max_length=config.max_length,
            mean=self.mean, std=self.std,
        )  # fmt: skip

    def prepare(
        self, items: Sequence[Any], processor: Any, options: Mapping[str, Any]
    ) -> tuple[Rows, Lengths]:
        extractor = self.make_extractor()
        check_sampling_rate(extractor, options)
        waves = [np.asarray(item, dtype=np.float32) for item in items]
        lengths = [self.count_frames(wave, extractor.sampling_rate) for wave in waves]
        padded = [np.pad(wave, (0, max(0, WINDOW_SAMPLES - wave.size))) for wave in waves]
        made = extractor(padded, sampling_rate=extractor.sampling_rate)["input_values"]
        return torch.from_numpy(np.stack(made)), torch.tensor(lengths)

    def count_frames(self, wave: Any, sampling_rate: int) -> int:
        """Count the frames of 10 ms of a sound. Raises ValueError for one that is too long."""
        longest = ASTConfig(**self.config).max_length
        check_recording(wave, longest * HOP_SAMPLES, sampling_rate)
        return min(max(1, (wave.size - WINDOW_SAMPLES) // HOP_SAMPLES + 1), longest)

    def describe_preparation(self, processor: Any) -> str:
        settings = sorted(self.make_extractor().to_dict().items(), key=str)
        return repr(settings) + f" torchaudio={is_speech_available()}"

    def count_tokens(self, length: Count) -> Count:
        return cast(Count, -(-self.count_columns(length) // self.pool))

    def count_columns(self, length: Count) -> Count:
        """Count the columns of patches that begin within `length` frames and end in the input."""
        config: Any = ASTConfig(**self.config)
        most = (config.max_length - config.patch_size) // config.time_stride + 1
        found = -(-length // config.time_stride)
        return cast(Count, found.clamp(max=most) if isinstance(found, Tensor) else min(found, most))

    def encode(self, tower: nn.Module, values: Rows, lengths: Lengths) -> Features:
        config: Any = ASTConfig(**self.config)
        bands = (config.num_mel_bins - config.patch_size) // config.frequency_stride + 1
        patches = tower(values).last_hidden_state[:, SPECIAL_TOKENS:]
        columns = patches.unflatten(1, (bands, -1)).mean(1)
        own = self.count_columns(lengths)
        return average_states(columns[:, : int(own.max())], own, self.pool)

    def load_weights(self, folder: Path) -> dict[str, Tensor]:
        state = ASTModel.from_pretrained(folder).state_dict()
        return {key: state[key] for key in self.build_tower().state_dict()}
