"""Notes of a SoundFont 2 file: its recorded samples, at the pitch of a key and with its envelope.

The plain parts of the format (SoundFont Technical Specification 2.04, sections 4 to 8): zones of
keys and velocities, tuning, loops, and the volume envelope. Departs: no filters, no modulation, no
effects, mono. Samples that are compressed with Ogg Vorbis, as in .sf3 files, are decoded, too.
"""

import io
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import soundfile
from jaxtyping import Float32

Samples = Float32[np.ndarray, " time"]
Generators = Mapping[int, int]
PLAYED_HZ = 44_100
RELEASE_S = 0.05
"""The end of a note, at least, so that it does not click."""

# Generators, of section 8.1.2.
ATTACK, HOLD, DECAY, SUSTAIN, RELEASE = 34, 35, 36, 37, 38
INSTRUMENT, KEYS, VELOCITIES, ATTENUATION = 41, 43, 44, 48
COARSE, FINE, SAMPLE, MODES, SCALE, ROOT = 51, 52, 53, 54, 56, 58
ADDED = (ATTACK, HOLD, DECAY, SUSTAIN, RELEASE, ATTENUATION, COARSE, FINE)
"""Generators of a preset that are added to those of its instrument; of times, in 1200 * log2(s)."""
SIGNED = "<Hh"
COMPRESSED = 0x10
"""Of a sample's type: an Ogg Vorbis file, whose place is given in bytes."""
LOOPED = (1, 3)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A header of "shdr": the place of a recording, of its loop, and its pitch."""

    start: int
    end: int
    loop_start: int
    loop_end: int
    rate_hz: int
    root: int
    cents: int
    is_compressed: bool


class SoundFont:
    """One file. Raises ValueError if it is not a sound font."""

    def __init__(self, file: Path) -> None:
        self.content = file.read_bytes()
        if self.content[:4] != b"RIFF" or self.content[8:12] != b"sfbk":
            raise ValueError(f"{file} is no SoundFont 2 file: it begins with {self.content[:12]!r}")
        self.places: dict[bytes, tuple[int, int]] = {}
        for name, start, length in iterate_chunks(self.content, 12, len(self.content)):
            if name == b"LIST":
                for inner, at, size in iterate_chunks(self.content, start + 4, start + length):
                    self.places[inner] = (at, size)
        missing = sorted({b"smpl", b"phdr", b"inst", b"shdr"} - self.places.keys())
        if missing:
            raise ValueError(f"{file} is a damaged SoundFont 2 file: it has no {missing}")
        self.load = lru_cache(64)(self._load)

    def unpack(self, chunk: bytes, form: str) -> list[tuple]:
        """The records of a chunk."""
        at, size = self.places[chunk]
        record = struct.Struct(form)
        return list(record.iter_unpack(self.content[at : at + size - size % record.size]))

    @cached_property
    def presets(self) -> dict[tuple[int, int], list[Generators]]:
        """Bank and program -> the generators of each zone."""
        headers = self.unpack(b"phdr", "<20sHHHIII")
        zones = self.read_zones(b"pbag", b"pgen", INSTRUMENT, [header[3] for header in headers])
        keys = [(header[2], header[1]) for header in headers[:-1]]
        return dict(zip(keys, zones, strict=True))

    @cached_property
    def instruments(self) -> list[list[Generators]]:
        """The generators of each zone of the instruments."""
        headers = self.unpack(b"inst", "<20sH")
        return self.read_zones(b"ibag", b"igen", SAMPLE, [header[1] for header in headers])

    def read_zones(
        self, bags: bytes, generators: bytes, last: int, firsts: list[int]
    ) -> list[list[Generators]]:
        """The zones of each item: those with the generator `last`, over those of a global zone."""
        starts = [bag[0] for bag in self.unpack(bags, "<HH")]
        values = self.unpack(generators, SIGNED)
        found = []
        for first, end in pairwise(firsts):
            shared: Generators = {}
            zones = []
            for place in range(first, end):
                own = dict(values[starts[place] : starts[place + 1]])
                if last in own:
                    zones.append({**shared, **own})
                elif place == first:
                    shared = own
            found.append(zones)
        return found

    @cached_property
    def samples(self) -> list[Sample]:
        return [
            Sample(
                start=start, end=end, loop_start=loop_start, loop_end=loop_end, rate_hz=rate,
                root=root, cents=cents, is_compressed=bool(kind & COMPRESSED),
            )
            for _, start, end, loop_start, loop_end, rate, root, cents, _, kind in self.unpack(
                b"shdr", "<20sIIIIIBbHH"
            )
        ]  # fmt: skip

    def _load(self, sample: Sample) -> Samples:
        at = self.places[b"smpl"][0]
        if sample.is_compressed:
            content = self.content[at + sample.start : at + sample.end]
            return soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)[0][:, 0]
        content = self.content[at + 2 * sample.start : at + 2 * sample.end]
        return np.frombuffer(content, "<i2").astype(np.float32) / 32768

    def play(self, program: int, key: int, *, seconds: float, bank: int = 0) -> Samples:
        """One note at PLAYED_HZ, of velocity 100; silent if the program does not have the key."""
        note = np.zeros(round(seconds * PLAYED_HZ), np.float32)
        for preset in self.presets[bank, program]:
            if not covers(preset, key):
                continue
            for zone in self.instruments[preset[INSTRUMENT]]:
                if covers(zone, key):
                    sums = {g: zone.get(g, 0) + preset[g] for g in ADDED if g in preset}
                    note += self.play_zone({**zone, **sums}, key, len(note))
        return note

    def play_zone(self, zone: Generators, key: int, length: int) -> Samples:
        """One recording at the pitch of the key, with the envelope of its zone."""
        sample = self.samples[zone[SAMPLE]]
        recorded = self.load(sample)
        root = zone.get(ROOT, -1)
        root = sample.root if root < 0 else root
        cents = (key - root) * zone.get(SCALE, 100) + sample.cents
        cents += 100 * zone.get(COARSE, 0) + zone.get(FINE, 0)
        step = 2 ** (cents / 1200) * sample.rate_hz / PLAYED_HZ
        places = np.arange(length) * step
        begin = 0 if sample.is_compressed else sample.start
        loop_start, loop_end = sample.loop_start - begin, sample.loop_end - begin
        if zone.get(MODES, 0) in LOOPED and loop_end - loop_start > 1:
            behind = places >= loop_end
            places[behind] = loop_start + (places[behind] - loop_start) % (loop_end - loop_start)
        heard = np.interp(places, np.arange(len(recorded)), recorded, right=0.0)
        gain = 10 ** (-zone.get(ATTENUATION, 0) * 0.4 / 200)  # in centibels, as synthesizers do
        return (gain * heard * make_envelope(zone, length)).astype(np.float32)


def iterate_chunks(content: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and length of each chunk; the padding of odd ones may be missing."""
    while start + 8 <= end:
        length = int.from_bytes(content[start + 4 : start + 8], "little")
        yield content[start : start + 4], start + 8, length
        start += 8 + length
        start += length % 2 and content[start : start + 1] == b"\0"


def covers(zone: Generators, key: int, velocity: int = 100) -> bool:
    """Whether a zone is for a key and a velocity: low and high in the bytes of a generator."""
    asked = {KEYS: key, VELOCITIES: velocity}
    ranges = [(zone[name], wanted) for name, wanted in asked.items() if name in zone]
    return all(pair & 0xFF <= wanted <= pair >> 8 & 0xFF for pair, wanted in ranges)


def make_envelope(zone: Generators, length: int) -> Samples:
    """Attack, decay to the sustained level, which is in centibels, and release at the end."""
    times = np.arange(length) / PLAYED_HZ
    attack, hold, decay = (2 ** (zone.get(name, -12000) / 1200) for name in (ATTACK, HOLD, DECAY))
    sustained = min(max(zone.get(SUSTAIN, 0), 0), 1000)
    # A decay is a straight line in decibels, and its time that of 100 dB.
    lost = np.clip((times - attack - hold) / decay * 1000, 0, sustained)
    release = np.clip((length / PLAYED_HZ - times) / RELEASE_S, 0, 1)
    return (np.minimum(times / attack, 1) * 10 ** (-lost / 200) * release).astype(np.float32)
