"""Validation of dense samples: each file is read once, and invalid samples are reported."""

from array import array
from functools import partial
from pathlib import Path

from coterie.data.dataset import BadRow, raise_for_bad_rows
from coterie.data.file_digest import compute_file_digest
from coterie.data.validation_cache import ValidationCache, check_all, make_file_stamp, make_key
from coterie.tasks.dense.dataset import DenseSample, DenseSamples, DenseSplit
from coterie.tasks.dense.label_files import LabelFileError

CACHE_FILE = "checked_dense.txt"
CHECKS_VERSION = 2
"""Incremented when checks become stricter, so that everything is validated again."""


class ValidatedDenseDataset(DenseSamples):
    """The valid samples of a split. Memory: 8 bytes per sample."""

    def __init__(
        self, split: DenseSplit, *, skip_bad_rows: bool = False, reads: bool = True
    ) -> None:
        """Read every sample on all cores, except those found valid in an earlier run.

        None is read, and all are taken as valid, unless `reads`.
        Raises ValueError as `DenseDataset.load_split`; of several damaged files, for the first.
        """
        self.split = split
        if not reads:
            self.valid, self.bad_rows = array("q", range(len(split))), ()
            return
        cache = ValidationCache(CACHE_FILE)
        check = partial(find_fault, split, cache)
        faults = list(check_all(check, len(split), cache))
        self.valid = array("q", (index for index, fault in enumerate(faults) if fault is None))
        self.bad_rows = tuple(fault for fault in faults if fault is not None)
        raise_for_bad_rows(
            self, what=split.title, total=len(split), skip=skip_bad_rows, unit="sample"
        )

    def __len__(self) -> int:
        return len(self.valid)

    def __getitem__(self, index: int) -> DenseSample:
        return self.split.read(self.valid[index])

    def compute_digest(self, index: int) -> str:
        """Return a key of the paths, sizes and times of the sample's files."""
        return make_sample_key(self.split, self.valid[index])

    def measure_image(self, index: int) -> str:
        """Return the size of the image's file."""
        path = self._get_image_path(index)
        try:
            return str(path.stat().st_size)
        except OSError:
            return f"no file {path}"

    def compute_image_digest(self, index: int) -> str:
        """Return the digest of the image's file, which may hold its labels, too."""
        return compute_file_digest(self._get_image_path(index))

    def _get_image_path(self, index: int) -> Path:
        return self.split.list_files(self.valid[index])[0].path


def find_fault(split: DenseSplit, cache: ValidationCache, index: int) -> BadRow | None:
    """Return the error of one sample, None if it is valid."""
    try:
        cache.check(make_sample_key(split, index), partial(split.read, index))
    except LabelFileError as error:
        return error.bad_row
    return None


def make_sample_key(split: DenseSplit, index: int) -> str:
    """Make a key of a sample from the paths, sizes and times of its files."""
    stamps = [make_file_stamp(file.path) for file in split.list_files(index)]
    return make_key("\n".join([f"{type(split).__name__} {CHECKS_VERSION}", *stamps]))
