"""A SoundFont 2 file of one recording, a sine of 441 Hz that is looped, for some programs."""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

HZ, RATE_HZ, ROOT = 441, 44_100, 69
PERIODS = 20
LOWEST, HIGHEST = 20, 100
"""Keys that the one zone covers."""


def write_soundfont(file: Path, programs: Sequence[int]) -> Path:
    # 100 samples a period, exactly.
    sine = np.sin(2 * np.pi * np.arange(PERIODS * RATE_HZ // HZ) * HZ / RATE_HZ)
    samples = (16384 * sine).astype("<i2").tobytes()
    count = len(programs)
    presets = b"".join(
        struct.pack("<20sHHHIII", b"some", program, 0, place, 0, 0, 0)
        for place, program in enumerate(programs)
    ) + struct.pack("<20sHHHIII", b"EOP", 0, 0, count, 0, 0, 0)
    generators = struct.pack("<HH", 41, 0)  # instrument 0
    zone = (
        struct.pack("<HBB", 43, LOWEST, HIGHEST)  # keys
        + struct.pack("<HH", 54, 1)  # looped
        + struct.pack("<HH", 53, 0)  # sample 0
    )
    header = struct.pack(
        "<20sIIIIIBbHH", b"sine", 0, len(sine), 0, len(sine), RATE_HZ, ROOT, 0, 0, 1
    )
    chunks = {
        b"phdr": presets,
        b"pbag": b"".join(struct.pack("<HH", place, 0) for place in range(count + 1)),
        b"pgen": generators * count + struct.pack("<HH", 0, 0),
        b"inst": struct.pack("<20sH", b"sine", 0) + struct.pack("<20sH", b"EOI", 1),
        b"ibag": struct.pack("<HH", 0, 0) + struct.pack("<HH", 3, 0),
        b"igen": zone + struct.pack("<HH", 0, 0),
        b"shdr": header + struct.pack("<20sIIIIIBbHH", b"EOS", 0, 0, 0, 0, 0, 0, 0, 0, 0),
    }
    lists = chunk(b"LIST", b"sdta" + chunk(b"smpl", samples))
    lists += chunk(b"LIST", b"pdta" + b"".join(chunk(*item) for item in chunks.items()))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(chunk(b"RIFF", b"sfbk" + lists))
    return file


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
