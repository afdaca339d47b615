"""What the samples of one split answer to while they are read from their files."""

from abc import ABC, abstractmethod

from coterie.dense.files import LabelFile
from coterie.dense.rows import DenseSample


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
