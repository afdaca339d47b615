"""A row of a source to samples of a task."""

from collections.abc import Callable
from dataclasses import dataclass, field

from coterie.data.columns import Columns
from coterie.data.formats import detect_format
from coterie.data.rows import RowError
from coterie.data.sample import TextSample
from coterie.data.sources.base import RowSource


def accept_any(answers: tuple[str, ...]) -> None:
    """Accepts all answers."""


@dataclass(frozen=True, kw_only=True)
class RowReader:
    """How the rows of a task are read.

    Attributes:
        task: its name.
        columns: what it calls its columns.
        accepts: raises ValueError if the task's metric can do nothing with a row's answers.
    """

    task: str
    columns: Columns = field(default_factory=Columns)
    accepts: Callable[[tuple[str, ...]], None] = accept_any

    def read_samples(self, source: RowSource, index: int) -> list[TextSample]:
        """The samples of one row, at least one. Raises RowError if it is damaged."""
        row = source[index]
        exchanges = detect_format(row).parse(row, self.columns, source.folder)
        for _, answers in exchanges:
            try:
                self.accepts(answers)
            except ValueError as error:
                raise RowError(self.columns.answer, str(error)) from None
        return [
            TextSample(task=self.task, messages=turns, answers=answers, source=source.describe_row(index))
            for turns, answers in exchanges
        ]
