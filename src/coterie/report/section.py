"""`Section`, a part of the report, found by walking `coterie.report.sections`."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from coterie import serialization
from coterie.report.context import ReportContext


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
