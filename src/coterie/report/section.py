"""`Section`, a part of the report found by walking `coterie.report.sections`, and its input."""

import math
import shlex
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from coterie import serialization
from coterie.evaluate.compare_available import compare_available
from coterie.evaluate.table import SystemRow, Table
from coterie.report.systems import ReportSystem

RESAMPLES = 1000
CONTROLS = {
    "untrained": ("untrained", "the model before training"),
    "blind": ("blind", "the same model without pictures and sounds"),
}
"""Control -> its label, and what a sentence calls it."""


class TableColumn(NamedTuple):
    """A system, or a control of one, as a column of the page's tables."""

    row: SystemRow
    system: ReportSystem

    @property
    def label(self) -> str:
        """The system's name, or that of the control."""
        return CONTROLS[self.row.control][0] if self.row.control else self.system.name


@dataclass(frozen=True, kw_only=True)
class ReportContext:
    """The systems with their runs; what is computed of them is computed when first needed.

    Attributes:
        systems: in the order they were given.
        conflict_before: the measurement of the untrained model, as its file holds it.
        command: the command line that wrote the page.
        forgetting: the measurement of tasks learned in sequence, as its file holds it.
        media_roots: folders whose pictures and sounds may be shown, beside those of the rows.
    """

    systems: Sequence[ReportSystem]
    conflict_before: Mapping[str, Any] | None
    command: str | None
    forgetting: Mapping[str, Any] | None = None
    media_roots: Sequence[Path] = ()

    @property
    def baseline(self) -> ReportSystem | None:
        """What the others are compared with: the first baseline, else the first system.

        A baseline is a system whose recipe has that role. None for one system alone.
        """
        if len(self.systems) < 2:
            return None
        return next((each for each in self.systems if each.role == "baseline"), self.systems[0])

    @cached_property
    def table(self) -> Table:
        """Scores, intervals, controls, differences, delta_m and costs of all systems."""
        return self._compare(self.baseline)

    @cached_property
    def single_task_table(self) -> Table | None:
        """The same with single-task models as the baseline, without controls.

        None where there are none, or where they are the baseline of `table`.
        """
        single = next((each for each in self.systems if each.is_single_task), None)
        if single is None or single == self.baseline:
            return None
        return self._compare(single, controls=False)

    def _compare(self, baseline: ReportSystem | None, *, controls: bool = True) -> Table:
        return compare_available(
            {each.name: [run.directory.folder for run in each.runs] for each in self.systems},
            baseline=baseline and baseline.name,
            controls=controls,
            resamples=RESAMPLES,
        )

    @property
    def rows(self) -> dict[str, SystemRow]:
        """System, or control of one -> its row of `table`."""
        return {row.system: row for row in self.table.rows}

    @cached_property
    def highlighted(self) -> ReportSystem:
        """The system that the summary is about.

        The method with the highest delta_m; without differences, the last method.
        """
        others = [each for each in self.systems if each.name != self.table.baseline]
        methods = [each for each in others if each.role == "method"] or others or self.systems
        deltas = {name: row.delta_m.value for name, row in self.rows.items() if row.delta_m}
        known = [each for each in methods if math.isfinite(deltas.get(each.name, math.nan))]
        return max(known, key=lambda each: deltas[each.name]) if known else methods[-1]

    @property
    def evaluate_command(self) -> str:
        """The command that evaluates the highlighted system's first run."""
        return shlex.join(["coterie", "evaluate", str(self.highlighted.runs[0].directory.folder)])

    @cached_property
    def columns(self) -> Sequence[TableColumn]:
        """The systems, then each control of the highlighted system, or of the first with one."""
        by_name, rows = {each.name: each for each in self.systems}, self.rows
        found = [TableColumn(rows[name], each) for name, each in by_name.items() if name in rows]
        for control in CONTROLS:
            controls = [row for row in self.table.rows if row.control == control]
            controls.sort(key=lambda row: row.control_of != self.highlighted.name)
            found += [TableColumn(row, by_name[row.control_of]) for row in controls[:1]]
        return found


class Section(ABC):
    """A part of the page: a Python file, and a jinja2 template of the same name beside it.

    Kinds are found by walking the package, so a section is one new file (with its template) and
    no edit elsewhere. A template sees what `build` returns, `context`, `systems` and, as `draw`,
    the macros of templates/macros.html. It writes one `<section id="NAME">`, where NAME is that of
    the file; or nothing, and then is not on the page.

    Attributes:
        title: of the link in the page's navigation.
        order: sections are in ascending order.
        template: jinja2 source; empty to read NAME.html beside the Python file.
    """

    title: ClassVar[str]
    order: ClassVar[int]
    template: ClassVar[str] = ""

    @property
    def name(self) -> str:
        """The name of the Python file, which is also that of the template and the anchor."""
        return type(self).__module__.rpartition(".")[2]

    @abstractmethod
    def build(self, context: ReportContext) -> Mapping[str, Any]:
        """Compute the values that the template shows."""

    def summarize(self, context: ReportContext, values: Mapping[str, Any]) -> Iterator[str]:
        """Yield sentences for the top of the page; `values` is what `build` returned."""
        yield from ()


def find_sections() -> list[Section]:
    """Return one object of each kind of section, in the order of the page."""
    from coterie.report import sections

    kinds: list[Any] = serialization.find_kinds(sections, Section)
    found: list[Section] = [kind() for kind in kinds]
    return sorted(found, key=lambda each: (each.order, each.name))
