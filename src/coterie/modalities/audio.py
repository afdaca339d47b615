"""Audio, decoded to mono samples at 16 kHz; damaged, empty or too long files are refused."""

import io
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float32

from coterie.modalities import pyav
from coterie.modalities.base import MediaModality
from coterie.modalities.limits import read_media_limits
from coterie.optional_imports import import_optional

SAMPLE_RATE_HZ = 16_000
"""Samples per second to which all audio is resampled, as speech encoders need it."""
BLOCK_SAMPLES = 2**22
"""Samples of all channels that are decoded at once, so that the channels are never all held."""


class Audio(MediaModality):
    """Recordings, which the audio tower and its connector encode."""

    name: ClassVar = "audio"
    inputs: ClassVar = ("input_features", "audio_features")
    towers: ClassVar = ("audio", "audio_connector")
    aliases: ClassVar = ("input_audio", "audio_url")
    suffixes: ClassVar = (
        ".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".m4a", ".aac"
    )  # fmt: skip
    max_bytes: ClassVar = 2**29
    """512 MiB: more than half an hour of stereo at 48 kHz in 16 bits, uncompressed."""
    lengths: ClassVar = "feature_lengths"
    order: ClassVar = 3

    def decode(self, content: bytes) -> Float32[np.ndarray, " time"]:
        """Return the samples of `decode_audio`."""
        return decode_audio(content)


def decode_audio(content: bytes) -> Float32[np.ndarray, " time"]:
    """Return samples at SAMPLE_RATE_HZ, mostly in -1..1: the mean of all channels.

    AAC, as in .m4a, is decoded by PyAV, all else by soundfile. Raises ValueError if the complete
    file cannot be decoded, if it has no samples, if a sample is NaN or infinite, or if it lasts
    longer, or has more samples, than `MediaLimits` allow.
    """
    if pyav.is_container(content):
        mono, rate = pyav.decode_sound(content, check_length)
    else:
        mono, rate = decode_by_soundfile(content)
    if not len(mono):
        raise ValueError("is an empty sound: it has 0 samples")
    if not np.isfinite(mono).all():
        raise ValueError("is a damaged sound: it has samples that are not finite")
    if rate != SAMPLE_RATE_HZ:
        mono = import_optional("soxr", "data").resample(mono, rate, SAMPLE_RATE_HZ)
    return mono.astype(np.float32, copy=False)


def check_length(frames: int, rate: int, channels: int) -> None:
    """Raise ValueError for more than `MediaLimits` allow."""
    limits = read_media_limits()
    if frames > limits.audio_s * rate:
        raise ValueError(
            f"lasts {frames / max(rate, 1):.0f} s: at most {limits.audio_s:g} s are read; cut it, "
            "or set COTERIE_MAX_AUDIO_S"
        )
    if frames * channels > limits.audio_samples:
        raise ValueError(
            f"has {frames} samples in each of {channels} channels, at {rate} Hz: at most "
            f"{limits.audio_samples:.0f} in all are read; save it at a lower rate or in one channel"
        )


def decode_by_soundfile(content: bytes) -> tuple[Float32[np.ndarray, " time"], int]:
    """Return the mean of all channels, and the rate. Raises ValueError if it is cut off."""
    soundfile = import_optional("soundfile", "data")
    try:
        file = soundfile.SoundFile(io.BytesIO(content))
    except Exception as error:  # decoders raise many types for damaged files
        raise _make_decoding_error(content, error) from None
    with file:
        rate, frames = file.samplerate, file.frames
        check_length(frames, rate, file.channels)
        try:
            mono = _read_blocks(file, frames)
        except Exception as error:
            raise _make_decoding_error(content, error) from None
    missing = max(0, estimate_min_bytes(content) - len(content))
    if missing or len(mono) < frames:
        lost = f"{missing} bytes" if missing else f"{frames - len(mono)} samples"
        raise ValueError(f"is cut off after {len(mono)} samples: {lost} are missing")
    return mono, rate


def _make_decoding_error(content: bytes, error: Exception) -> ValueError:
    reason = str(error).rpartition(">: ")[2]  # without the address of the buffer
    start = f"it begins with {content[:8]!r}"
    return ValueError(f"is no sound that soundfile can read ({start}): {reason}")


def _read_blocks(file: Any, frames: int) -> Float32[np.ndarray, " time"]:
    # A number of frames is asked for, since GSM and other codecs that cannot seek need one.
    mono = np.empty(frames, np.float32)
    size, found = max(1, BLOCK_SAMPLES // file.channels), 0
    while found < frames:
        block = file.read(min(size, frames - found), dtype="float32", always_2d=True)
        if not len(block):
            break
        mono[found : found + len(block)] = block.mean(axis=1)
        found += len(block)
    return mono[:found]


def estimate_min_bytes(content: bytes) -> int:
    """Return the least size in bytes that the header of a WAV, AIFF, AU or Ogg file implies.

    soundfile reads truncated files without an error. 0 for other formats, and for a file whose
    header was written before its length was known.
    """
    if content[:4] == b"RIFF":
        return estimate_min_wav_bytes(content)
    if content[:4] == b"RF64" and content[12:16] == b"ds64":  # WAV with lengths of 64 bits
        return int.from_bytes(content[20:28], "little") + 7
    if content[:4] == b"riff":  # Sony's Wave64: the size of all follows its identifier
        return int.from_bytes(content[16:24], "little")
    if content[:4] == b".snd":
        size = int.from_bytes(content[8:12], "big")
        return int.from_bytes(content[4:8], "big") + size if size not in UNKNOWN_LENGTHS else 0
    if content[:4] == b"FORM":
        return int.from_bytes(content[4:8], "big") + 7
    if content[:4] == b"OggS":
        page = content.rfind(b"OggS")  # its table of lengths starts at 27, after their count
        count = int.from_bytes(content[page + 26 : page + 27])
        sizes = content[page + 27 : page + 27 + count]
        return page + 27 + max(count, 1) + sum(sizes)
    return 0


UNKNOWN_LENGTHS = (0xFFFF_FFFF, 0x7FFF_F000)
"""The length of data that ffmpeg and SoX write to a pipe, before it is known."""


def estimate_min_wav_bytes(content: bytes) -> int:
    """Return the least size of a WAV file by its chunks up to that of the samples."""
    start = 12
    while start + 8 <= len(content):
        length = int.from_bytes(content[start + 4 : start + 8], "little")
        if content[start : start + 4] == b"data":
            if length in UNKNOWN_LENGTHS:
                return 0
            start += 8 + length
            break
        start += 8 + length + length % 2
    return max(start, int.from_bytes(content[4:8], "little") + 7)  # 8, but the last may be padding
