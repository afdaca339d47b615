"""The good rows of a source, told from the bad ones by reading each of them once."""

import hashlib
import os
from array import array
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from coterie.data.decoding import Decoding
from coterie.data.reader import Reader
from coterie.data.rows import BadRow, RowError, Rows
from coterie.data.sample import Sample
from coterie.data.sources.base import Source
from coterie.data.split import Part, part_of

CHUNK_ROWS = 32
"""Rows that one thread reads at a time."""
LISTED = 20
"""How many bad rows an error lists."""


@dataclass(frozen=True)
class Verdict:
    """What reading a row once has shown: why it is bad, or how many samples it has."""

    bad: BadRow | None = None
    samples: int = 0
    group: int = 0


class CheckedRows(Rows):
    """The samples of a source's good rows. Held in memory: 12 bytes a sample."""

    def __init__(
        self, source: Source, reader: Reader, *, check_media: bool, part: Part | None = None
    ) -> None:
        """Read every row once.

        Args:
            source: where the rows are.
            reader: how they are read.
            check_media: decode every picture and sound, too, so that a damaged one is found now.
            part: keep only this part of the good rows. Bad rows are all named, since what part
                they would fall to cannot be told.
        """
        self.source, self.reader = source, reader
        rows, turns, groups = array("q"), array("i"), array("Q")
        bad = []
        for index, found in enumerate(verdicts(source, reader, check_media, part is not None)):
            rows.extend([index] * found.samples)
            turns.extend(range(found.samples))
            groups.extend([found.group] * (found.samples if part else 0))
            bad += [found.bad] if found.bad else []
        if part and rows:
            kept = part_of(groups, part)
            rows = array("q", [rows[index] for index in kept])
            turns = array("i", [turns[index] for index in kept])
        self.rows, self.turns = rows, turns
        self.bad = tuple(bad)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Sample:
        return self.reader.samples(self.source, self.rows[index])[self.turns[index]]


def verdicts(source: Source, reader: Reader, check_media: bool, grouped: bool) -> Iterator[Verdict]:
    """One for each row, in their order; files are decoded on all cores."""
    decoding = Decoding() if check_media else None
    judge = partial(judged, source, reader, decoding, grouped)
    threads = os.cpu_count() or 1
    window = CHUNK_ROWS * threads * 4  # a pool's map takes all it is given into memory at once
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(source), window):
            rows = range(start, min(start + window, len(source)))
            chunks = [rows[i : i + CHUNK_ROWS] for i in range(0, len(rows), CHUNK_ROWS)]
            for chunk in pool.map(judge, chunks):
                yield from chunk
    if decoding is not None:
        decoding.save()


def judged(
    source: Source, reader: Reader, decoding: Decoding | None, grouped: bool, rows: Sequence[int]
) -> list[Verdict]:
    """What reading some rows shows."""
    found = []
    for index in rows:
        try:
            samples = reader.samples(source, index)
            if decoding is not None:
                for media in samples[-1].media():  # the last has those of all before it
                    decoding.check(media, getattr(reader.columns, media.kind))
            group = group_of(samples[-1]) if grouped else 0
            found.append(Verdict(samples=len(samples), group=group))
        except RowError as error:
            bad = BadRow(source=source.name(index), field=error.field, reason=error.reason)
            found.append(Verdict(bad=bad))
    return found


def group_of(sample: Sample) -> int:
    """64 bits that are equal for the same pictures and sounds; without any, for the same words."""
    media = sample.media()
    words = [str(part) for turn in sample.turns for part in turn.parts]
    try:
        key = "\n".join([item.digest() for item in media] or words)
    except ValueError as error:
        raise RowError(media[0].kind, str(error)) from None
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8])


def refuse_bad(rows: Rows, *, what: str, skip: bool) -> None:
    """Raise ValueError if no row is good, or some are bad and not to be skipped."""
    if len(rows) and (skip or not rows.bad):
        return
    if not rows.bad:
        raise ValueError(f"{what} has no rows: give at least one")
    todo = "no row is good: mend them"
    if len(rows):
        todo = "mend them, or leave them out by skip_bad_rows=True (--skip-bad-rows)"
    count = f"{len(rows.bad)} bad row{'s' if len(rows.bad) > 1 else ''}"
    raise ValueError("\n".join([f"{what} has {count}; {todo}", *listed(rows.bad)]))


def listed(bad: Sequence[BadRow]) -> list[str]:
    """The first LISTED bad rows; only the first, if all have the same fault."""
    alike = len({(row.field, row.reason) for row in bad}) == 1
    first = [f"  {row}" for row in bad[: 1 if alike else LISTED]]
    more = len(bad) - len(first)
    return [*first, f"  and {more} more{', alike' if alike else ''}"] if more else first
