"""Sounds to log-mel spectrograms, each padded to its own length."""

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

FRAMES = 16  # the encoder makes one token of so many by default: half of its stride of 8 is conv2's


class LogMelFeatures(NamedTuple):
    """Spectrograms [sounds, bands, frames] with zeros behind the shorter ones, and their frames."""

    values: Float[Tensor, "rows bands frames"]
    lengths: Int[Tensor, " rows"]


def count_mel_frames(wave: Any, extractor: Any) -> int:
    """How many frames of 10 ms the spectrogram of a sound has.

    Samples are padded with silence to the next 160 ms, which is one token, but never beyond what
    the extractor takes.

    Raises ValueError for a sound that is not one row of finite samples, is empty or too long.
    """
    limit_s = extractor.n_samples / extractor.sampling_rate
    if wave.ndim != 1 or wave.size == 0:
        raise ValueError(
            f"a sound has the shape {wave.shape}: pass one row of samples, mono, and at least one"
        )
    if not np.isfinite(wave).all():
        raise ValueError("a sound has samples that are not finite: repair or leave out the file")
    if wave.size > extractor.n_samples:
        raise ValueError(
            f"a sound is {wave.size / extractor.sampling_rate:.1f} s long; at most {limit_s:g} s "
            "are allowed: cut it into shorter ones"
        )
    step = FRAMES * extractor.hop_length
    return min(-(-wave.size // step) * step, extractor.n_samples) // extractor.hop_length


def compute_spectrograms(waves: list[Any], extractor: Any) -> LogMelFeatures:
    """Log-mel spectrograms as Whisper hears them, one sound at a time.

    One at a time, because their floor is relative to the loudest frame, and padding for a longer
    neighbour would change the last ones.
    """
    found = []
    for wave in waves:
        frames = count_mel_frames(wave, extractor)
        padded = np.pad(wave, (0, frames * extractor.hop_length - wave.size))
        mel = extractor(
            padded,
            sampling_rate=extractor.sampling_rate,
            padding="do_not_pad",
            return_tensors="pt",
        )["input_features"][0]
        found.append(mel.T)
    lengths = torch.tensor([len(mel) for mel in found])
    values = nn.utils.rnn.pad_sequence(found, batch_first=True).transpose(1, 2)
    return LogMelFeatures(values.contiguous(), lengths)
