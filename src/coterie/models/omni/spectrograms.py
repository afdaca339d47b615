"""Log-mel spectrograms of audio and sounds, by Whisper's feature extractor."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

Spectrograms = tuple[Float[Tensor, "rows bands frames"], Int[Tensor, " rows"]]
FRAMES = 16  # frames per token: a pool of 8 states, each of 2 frames (the stride of conv2)


def prepare_recordings(
    waves: Sequence[Any], extractor: Any, options: Mapping[str, Any], chunks: int = 1
) -> Spectrograms:
    """Compute the spectrograms of recordings, and check their rate if the options have one."""
    check_sampling_rate(extractor, options)
    found = [np.asarray(wave, dtype=np.float32) for wave in waves]
    return compute_spectrograms(found, extractor, chunks)


def check_sampling_rate(extractor: Any, options: Mapping[str, Any]) -> None:
    """Raise ValueError if a processor's options state another rate than the extractor's."""
    wanted = extractor.sampling_rate
    if (rate := options.get("sampling_rate") or wanted) != wanted:
        raise ValueError(
            f"sampling_rate = {rate}: sounds must have {wanted} samples a second; resample "
            "them first"
        )


def check_recording(wave: Any, most_samples: int, sampling_rate: int) -> None:
    """Raise ValueError unless it is one non-empty row of finite samples, and not too long."""
    if wave.ndim != 1 or wave.size == 0:
        raise ValueError(
            f"a sound has the shape {wave.shape}: pass one row of samples, mono, and at least one"
        )
    if not np.isfinite(wave).all():
        raise ValueError("a sound has samples that are not finite: repair or leave out the file")
    if wave.size > most_samples:
        raise ValueError(
            f"a sound is {wave.size / sampling_rate:.1f} s long; at most "
            f"{most_samples / sampling_rate:g} s are allowed: cut it into shorter ones"
        )


def describe_extractor(extractor: Any) -> str:
    """Describe the settings that spectrograms are computed with."""
    return repr(sorted(extractor.to_dict().items(), key=str))


def count_mel_frames(wave: Any, extractor: Any, chunks: int = 1) -> int:
    """Count the 10 ms frames of an audio item's spectrogram.

    Samples are padded with silence to a multiple of 160 ms, which is one token, up to the
    extractor's maximum, of which `chunks` are allowed.

    Raises ValueError unless the audio is one non-empty row of finite samples, and not too long.
    """
    check_recording(wave, extractor.n_samples * chunks, extractor.sampling_rate)
    step = FRAMES * extractor.hop_length
    whole, rest = divmod(wave.size, extractor.n_samples)
    frames = min(-(-rest // step) * step, extractor.n_samples) // extractor.hop_length
    return whole * (extractor.n_samples // extractor.hop_length) + frames


def compute_spectrograms(waves: list[Any], extractor: Any, chunks: int = 1) -> Spectrograms:
    """Compute Whisper's log-mel spectrograms, zero-padded at the end, and their numbers of frames.

    Items are computed one at a time: their floor is relative to the loudest frame, so padding to
    the length of a longer item would change the last frames. For the same reason a recording of
    several chunks of 30 s is computed chunk by chunk.
    """
    found = []
    options = {"sampling_rate": extractor.sampling_rate, "return_tensors": "pt"}
    for wave in waves:
        frames = count_mel_frames(wave, extractor, chunks)
        padded = np.pad(wave, (0, frames * extractor.hop_length - wave.size))
        parts = [
            padded[start : start + extractor.n_samples]
            for start in range(0, padded.size, extractor.n_samples)
        ]
        mels = [
            extractor(part, padding="do_not_pad", **options)["input_features"][0].T
            for part in parts
        ]
        found.append(torch.cat(mels))
    values = nn.utils.rnn.pad_sequence(found, batch_first=True).transpose(1, 2)
    return values.contiguous(), torch.tensor([len(mel) for mel in found])
