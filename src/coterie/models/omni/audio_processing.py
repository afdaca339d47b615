"""Log-mel spectrograms of audio, padded per item."""

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

FRAMES = 16  # frames per token: a pool of 8 states, each of 2 frames (the stride of conv2)


class LogMelFeatures(NamedTuple):
    """Spectrograms [items, bands, frames], zero-padded at the end, and their numbers of frames."""

    values: Float[Tensor, "rows bands frames"]
    lengths: Int[Tensor, " rows"]


def count_mel_frames(wave: Any, extractor: Any) -> int:
    """Count the 10 ms frames of an audio item's spectrogram.

    Samples are padded with silence to a multiple of 160 ms, which is one token, up to the
    extractor's maximum.

    Raises ValueError unless the audio is one non-empty row of finite samples, and not too long.
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
    """Compute Whisper's log-mel spectrograms, one item at a time.

    Their floor is relative to the loudest frame, so padding to the length of a longer item would
    change the last frames.
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
