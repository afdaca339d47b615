"""Sounds and videos in containers such as MP4, decoded by PyAV, which is optional."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from coterie.optional_imports import import_optional

EXTRA = "media"
MAX_MISSING_S = 0.5
"""A stream that ends so much before the time that its header states is cut off."""
MAX_DECODED_FRAMES = 20_000
"""The most frames that are decoded of a video whose length is unknown: 11 minutes at 30 Hz."""


def is_container(content: bytes) -> bool:
    """Return whether a file begins as MP4 and M4A, as Matroska and WebM, or as bare AAC."""
    is_adts = content[:1] == b"\xff" and content[1:2] in (b"\xf0", b"\xf1", b"\xf8", b"\xf9")
    return content[4:8] == b"ftyp" or content[:4] == b"\x1aE\xdf\xa3" or is_adts


@contextmanager
def open_stream(content: bytes, kind: str) -> Iterator[tuple[Any, Any]]:
    """Yield the container and its first stream of a kind, "audio" or "video".

    Raises ValueError if PyAV is missing, or FFmpeg cannot read the file, inside the block too.
    """
    try:
        av = import_optional("av", EXTRA)
    except ValueError as error:
        raise ValueError(f"is a file of {kind} for FFmpeg, and {error}") from None
    try:
        with av.open(io.BytesIO(content)) as container:
            streams = [each for each in container.streams if each.type == kind]
            if not streams:
                raise ValueError(f"has no {kind} in it")
            yield container, streams[0]
    except av.FFmpegError as error:
        start = f"it begins with {content[:8]!r}"
        raise ValueError(f"is a damaged {kind} file ({start}): {error.strerror}") from None


def get_duration_s(container: Any, stream: Any) -> float:
    """Return the length that the headers state; 0.0 if they state none."""
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / 1_000_000  # in microseconds


def decode_sound(
    content: bytes, check: Callable[[int, int, int], None]
) -> tuple[Float32[np.ndarray, " time"], int]:
    """Return the mean of all channels, and the rate.

    `check` gets frames, rate and channels, from the header and after each block, and may raise
    ValueError.
    """
    blocks, found = [np.empty(0, np.float32)], 0
    with open_stream(content, "audio") as (container, stream):
        rate, channels = stream.rate, stream.channels
        stated = get_duration_s(container, stream)
        check(int(stated * rate), rate, channels)
        resampler = import_optional("av", EXTRA).AudioResampler(format="fltp")
        for frame in container.decode(stream):
            for block in resampler.resample(frame):
                blocks.append(block.to_ndarray().mean(axis=0))
                found += len(blocks[-1])
                check(found, rate, channels)
    if found / rate < stated - MAX_MISSING_S:
        raise ValueError(f"is cut off after {found / rate:.1f} s: it states {stated:.1f} s")
    return np.concatenate(blocks), rate


def sample_frames(
    content: bytes, count: int, max_pixels: int
) -> UInt8[np.ndarray, "frames height breadth 3"]:
    """Return `count` frames of a video at equal distances, or all of a shorter one.

    Raises ValueError for frames of more than `max_pixels`, and a video that is damaged or empty.
    """
    with open_stream(content, "video") as (container, stream):
        width, height = stream.width, stream.height
        if width * height > max_pixels:
            raise ValueError(
                f"has frames of {width} x {height} pixels: at most {max_pixels} are read; shrink "
                "it, or set COTERIE_MAX_IMAGE_PIXELS"
            )
        stated = get_duration_s(container, stream)
        frames = list(_pick(container, stream, stated, count))
    if not frames:
        raise ValueError("is a video without frames")
    return np.stack([frame.to_ndarray(format="rgb24") for frame in frames])


def _pick(container: Any, stream: Any, stated: float, count: int) -> Iterator[Any]:
    if not stated:  # a stream, whose frames are counted first
        total = sum(1 for _ in _decode_up_to(container, stream, MAX_DECODED_FRAMES))
        container.seek(0)
        chosen = {total * (2 * i + 1) // (2 * count) for i in range(min(count, total))}
        for number, frame in enumerate(_decode_up_to(container, stream, max(chosen, default=-1))):
            if number in chosen:
                yield frame
        return
    start, last = float((stream.start_time or 0) * stream.time_base), None
    for i in range(count):
        time = start + stated * (2 * i + 1) / (2 * count)
        frame = _decode_at(container, stream, time)
        if frame is None:
            if time + MAX_MISSING_S < start + stated:
                raise ValueError(f"is cut off before {time:.1f} s: it states {stated:.1f} s")
            continue
        if frame.pts != last:
            yield frame
        last = frame.pts


def _decode_at(container: Any, stream: Any, time: float) -> Any:
    """Return the frame shown at a time, in seconds; None behind the last."""
    container.seek(int(time / stream.time_base), stream=stream)
    found = None
    for frame in container.decode(stream):
        if frame.time is not None and frame.time > time and found is not None:
            return found
        found = frame
        if frame.time is not None and frame.time >= time:
            return found
    return found


def _decode_up_to(container: Any, stream: Any, last: int) -> Iterator[Any]:
    for number, frame in enumerate(container.decode(stream)):
        yield frame
        if number >= last:
            return
