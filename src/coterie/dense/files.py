"""One file of a dense data set, and what is said when it cannot be read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from coterie.data.rows import BadRow

Decoded = TypeVar("Decoded")


class LabelFileError(ValueError):
    """A file is missing, or is not what its data set says it is."""

    def __init__(self, source: str, field: str, reason: str) -> None:
        self.bad_row = BadRow(source=source, field=field, reason=reason)
        super().__init__(str(self.bad_row))


@dataclass(frozen=True, kw_only=True)
class LabelFile:
    """A file with the picture or one label of a sample.

    Attributes:
        folder: of the data set.
        name: path inside of `folder`, with slashes; what errors call it.
        field: the task whose label it holds, or "image".
    """

    folder: Path
    name: str
    field: str

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.folder / self.name

    def read(self, decode: Callable[[bytes], Decoded]) -> Decoded:
        """What `decode` makes of its bytes.

        Raises DamagedFile if it cannot be read, has no bytes, or `decode` raises ValueError, whose
        text is the reason.
        """
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise self.make_error(f"cannot be read ({error.strerror}): fetch it again") from None
        if not content:
            raise self.make_error("is empty: fetch it again")
        try:
            return decode(content)
        except ValueError as error:
            raise self.make_error(" ".join(str(error).split())) from None

    def make_error(self, reason: str) -> LabelFileError:
        """The error that says so."""
        return LabelFileError(self.name, self.field, reason)


def make_absolute_path(folder: Path | str) -> Path:
    """A folder's full path, which holds wherever a run's plan is read."""
    return Path(folder).expanduser().absolute()
