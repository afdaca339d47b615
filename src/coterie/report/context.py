"""`ReportContext`: what every section of a report is built from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from coterie.evaluate.table import Table
from coterie.report.comparison import TableColumn
from coterie.report.systems import ReportSystem

MAX_MEDIA_BYTES = 2_000_000
"""Of data URIs; with all else at its largest, the page stays below 3 MB."""


@dataclass
class MediaBudget:
    """The bytes of images and sounds that the page can still take; sections take turns."""

    remaining_bytes: int

    def take(self, size_bytes: int) -> bool:
        """Reserve `size_bytes`; False, and nothing is reserved, if they do not fit."""
        if size_bytes > self.remaining_bytes:
            return False
        self.remaining_bytes -= size_bytes
        return True


@dataclass(frozen=True, kw_only=True)
class ReportContext:
    """The systems with their runs, and `evaluate`'s table of them.

    Attributes:
        systems: in the order they were given.
        table: scores, intervals, controls, differences, delta_m and costs of all systems.
        single_task_table: the same with single-task models as the baseline; None where there are
            none, or where they are the baseline of `table`.
        columns: the systems of `table`, then the controls of one of them.
        highlighted: the system that the summary is about.
        conflict_before: the measurement of the untrained model, as its file holds it.
        command: the command line that wrote the page.
        media: the budget of embedded media.
    """

    systems: tuple[ReportSystem, ...]
    table: Table
    single_task_table: Table | None
    columns: tuple[TableColumn, ...]
    highlighted: ReportSystem
    conflict_before: Mapping[str, Any] | None = None
    command: str | None = None
    media: MediaBudget = field(default_factory=lambda: MediaBudget(MAX_MEDIA_BYTES))

    @property
    def baseline(self) -> ReportSystem | None:
        """The system that differences are measured against."""
        return next((each for each in self.systems if each.name == self.table.baseline), None)
