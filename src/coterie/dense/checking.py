"""The good samples of a split, told from the bad ones by reading every file once."""

import os
from array import array
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from coterie.data.checked import CHUNK_ROWS, listed
from coterie.data.rows import BadRow
from coterie.dense.files import DamagedFile
from coterie.dense.remembering import Remembered
from coterie.dense.rows import DenseRows, DenseSample
from coterie.dense.sets.base import Split


class CheckedSamples(DenseRows):
    """The good samples of a split. Held in memory: 8 bytes a sample."""

    def __init__(self, split: Split, *, skip_bad_rows: bool = False) -> None:
        """Read every sample once, on all cores; those not that were good in an earlier run.

        A sample with several damaged files is told by the first of them.

        Args:
            split: where they are.
            skip_bad_rows: leave damaged samples out, and go on.

        Raises ValueError with the first 20 damaged files and their number if some are damaged and
        not to be skipped, or if no sample is good.
        """
        self.split = split
        good, bad = array("q"), []
        for index, fault in enumerate(faults(split)):
            if fault is None:
                good.append(index)
            else:
                bad.append(fault)
        self.good, self.bad = good, tuple(bad)
        self.refuse(skip_bad_rows)

    def refuse(self, skip_bad_rows: bool) -> None:
        """Raise ValueError if no sample is good, or some are bad and not to be skipped."""
        if not len(self.split):
            raise ValueError(f"{self.split.title} has no samples: name at least one")
        if not self.bad or (skip_bad_rows and len(self.good)):
            return
        many = "s" if len(self.bad) > 1 else ""
        todo = "mend the files, or leave the samples out by skip_bad_rows=True (--skip-bad-rows)"
        if not len(self.good):
            todo = "no sample is good: mend the files"
        head = f"{self.split.title} has {len(self.bad)} bad sample{many} of {len(self.split)}"
        raise ValueError("\n".join([f"{head}; {todo}", *listed(self.bad)]))

    def __len__(self) -> int:
        return len(self.good)

    def __getitem__(self, index: int) -> DenseSample:
        return self.split.read(self.good[index])


def faults(split: Split) -> Iterator[BadRow | None]:
    """For each sample in order, what is wrong with it."""
    remembered = Remembered(split)
    threads = os.cpu_count() or 1
    window = CHUNK_ROWS * threads * 4  # a pool's map takes all it is given into memory at once
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(split), window):
            end = min(start + window, len(split))
            yield from pool.map(lambda index: fault(split, index, remembered), range(start, end))
            remembered.save()  # so that what breaks off goes on where it was


def fault(split: Split, index: int, remembered: Remembered) -> BadRow | None:
    """What is wrong with one sample, if anything."""
    key = remembered.key(index)
    if key in remembered.good:
        return None
    try:
        split.read(index)
    except DamagedFile as error:
        return error.bad
    remembered.add(key)
    return None
