"""A row of a source to samples of a task."""

from collections.abc import Callable
from dataclasses import dataclass, field

from coterie.data.columns import Columns
from coterie.data.formats import form_of
from coterie.data.rows import RowError
from coterie.data.sample import Sample
from coterie.data.sources.base import Source


def anything(answers: tuple[str, ...]) -> None:
    """Accepts all answers."""


@dataclass(frozen=True, kw_only=True)
class Reader:
    """How the rows of a task are read.

    Attributes:
        task: its name.
        columns: what it calls its columns.
        accepts: raises ValueError if the task's metric can do nothing with a row's answers.
    """

    task: str
    columns: Columns = field(default_factory=Columns)
    accepts: Callable[[tuple[str, ...]], None] = anything

    def samples(self, source: Source, index: int) -> list[Sample]:
        """The samples of one row, at least one. Raises RowError if it is damaged."""
        row = source[index]
        exchanges = form_of(row).exchanges(row, self.columns, source.folder)
        for _, answers in exchanges:
            try:
                self.accepts(answers)
            except ValueError as error:
                raise RowError(self.columns.answer, str(error)) from None
        return [
            Sample(task=self.task, turns=turns, answers=answers, source=source.name(index))
            for turns, answers in exchanges
        ]
