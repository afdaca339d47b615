"""What every data set of dense tasks answers to, and what one of its samples is."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from jaxtyping import Shaped, UInt8
from torch import Tensor

from coterie.data.dataset import Dataset
from coterie.data.subset import spread_indices
from coterie.tasks.dense.label_files import LabelFile
from coterie.tasks.dense.task import DenseTask


@dataclass(frozen=True, kw_only=True)
class DenseSample:
    """A picture and its labels.

    Attributes:
        image: RGB, 0 to 255.
        labels: task's name -> its label, see `DenseTask`, of the image's height and breadth. A
            task may be missing where its data set has no label for this picture.
        source: what errors and predictions call it, such as "adairsville/point_1_view_2".
    """

    image: UInt8[Tensor, "channels height breadth"]
    labels: Mapping[str, Shaped[Tensor, "..."]]
    source: str


class DenseSamples(Dataset[DenseSample]):
    """The samples of a dense data set."""

    def compute_digest(self, index: int) -> str:
        """Compute the sha256 of a sample's image and labels.

        Data sets that know a sample's files may take it of their paths, sizes and times instead.
        """
        sample = self[index]
        parts = {"image": sample.image, **sample.labels}
        digest = hashlib.sha256(sample.source.encode())
        for name in sorted(parts):
            values = parts[name].contiguous()
            digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
            digest.update(values.numpy().tobytes())
        return digest.hexdigest()


class DenseSubset(DenseSamples):
    """At most `limit` samples of a data set, the same ones each time, spread over all of them."""

    def __init__(self, rows: DenseSamples, limit: int | None) -> None:
        self.dataset, self.bad_rows = rows, rows.bad_rows
        self.indices = spread_indices(len(rows), limit)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> DenseSample:
        return self.dataset[int(self.indices[index])]

    def compute_digest(self, index: int) -> str:
        return self.dataset.compute_digest(int(self.indices[index]))


class DenseDataset(ABC):
    """A data set on disk. Kinds are frozen keyword-only dataclasses that name a folder."""

    @property
    @abstractmethod
    def tasks(self) -> tuple[DenseTask, ...]:
        """What is learned from it, in the order of the heads."""

    def select(self, names: Sequence[str]) -> "DenseDataset":
        """Return the data set with some of its tasks, in the order of `names`.

        Raises ValueError for a name that there is not. Kinds without a field `names` override it.
        """
        return replace(cast(Any, self), names=tuple(names))

    @abstractmethod
    def load_split(self, split: str, *, skip_bad_rows: bool = False) -> DenseSamples:
        """The samples of a split, after reading every file once.

        Args:
            split: "train", "validation" or "test", as far as the data set has them.
            skip_bad_rows: leave damaged samples out and name them in `bad` of what is returned.

        Raises ValueError with the first 20 damaged files and their number, or if none is good, or
        if the split is not there: one line each, with file, field and reason.
        """


class DenseSplit(ABC):
    """The samples of one split, good and bad, told by their numbers."""

    @property
    @abstractmethod
    def title(self) -> str:
        """What errors call it: folder and split."""

    @abstractmethod
    def __len__(self) -> int:
        """How many samples are named, by a list or by files."""

    @abstractmethod
    def list_files(self, index: int) -> list[LabelFile]:
        """All that sample number `index` is read from, whether it is there or not."""

    @abstractmethod
    def read(self, index: int) -> DenseSample:
        """Sample number `index`, from all its files.

        Raises DamagedFile with the first file that is missing or wrong.
        """
