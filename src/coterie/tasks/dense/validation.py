"""Validation of dense samples: each file is read once, and invalid samples are reported."""

import os
from array import array
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from coterie.data.dataset import BadRow
from coterie.data.validation import CHUNK_SIZE, format_bad_rows
from coterie.data.validation_cache import ValidationCache, make_file_stamp, make_key
from coterie.tasks.dense.dataset import DenseSample, DenseSamples, DenseSplit
from coterie.tasks.dense.label_files import LabelFileError

CACHE_FILE = "checked_dense.txt"
CHECKS_VERSION = 2
"""Incremented when checks become stricter, so that everything is validated again."""


class ValidatedDenseDataset(DenseSamples):
    """The valid samples of a split. Memory: 8 bytes per sample."""

    def __init__(self, split: DenseSplit, *, skip_bad_rows: bool = False) -> None:
        """Read every sample on all cores, except those found valid in an earlier run.

        Raises ValueError as `DenseDataset.load_split`; of several damaged files, for the first.
        """
        self.split = split
        faults = list(find_faults(split))
        self.valid = array("q", (index for index, fault in enumerate(faults) if fault is None))
        self.bad_rows = tuple(fault for fault in faults if fault is not None)
        if not len(split):
            raise ValueError(f"{split.title} has no samples: name at least one")
        if not self.bad_rows or (skip_bad_rows and len(self.valid)):
            return
        count = f"{len(self.bad_rows)} bad sample{'s' if len(self.bad_rows) > 1 else ''}"
        todo = "mend the files, or leave the samples out by skip_bad_rows=True (--skip-bad-rows)"
        if not len(self.valid):
            todo = "no sample is good: mend the files"
        head = f"{split.title} has {count} of {len(split)}; {todo}"
        raise ValueError("\n".join([head, *format_bad_rows(self.bad_rows)]))

    def __len__(self) -> int:
        return len(self.valid)

    def __getitem__(self, index: int) -> DenseSample:
        return self.split.read(self.valid[index])

    def compute_digest(self, index: int) -> str:
        """Return a key of the paths, sizes and times of the sample's files."""
        return make_sample_key(self.split, self.valid[index])


def find_faults(split: DenseSplit) -> Iterator[BadRow | None]:
    """Yield the error of each sample in order, None if it is valid."""
    cache = ValidationCache(CACHE_FILE)
    threads = os.cpu_count() or 1
    window = CHUNK_SIZE * threads * 4  # `pool.map` queues its entire input at once
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(split), window):
            end = min(start + window, len(split))
            yield from pool.map(lambda index: find_fault(split, index, cache), range(start, end))
            cache.save()  # so that an interrupted validation resumes here


def find_fault(split: DenseSplit, index: int, remembered: ValidationCache) -> BadRow | None:
    """Return the error of one sample, None if it is valid."""
    key = make_sample_key(split, index)
    if key in remembered.valid:
        return None
    try:
        split.read(index)
    except LabelFileError as error:
        return error.bad_row
    remembered.add(key)
    return None


def make_sample_key(split: DenseSplit, index: int) -> str:
    """Make a key of a sample from the paths, sizes and times of its files."""
    stamps = [make_file_stamp(file.path) for file in split.list_files(index)]
    return make_key("\n".join([f"{type(split).__name__} {CHECKS_VERSION}", *stamps]))
