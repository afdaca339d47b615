"""Writes the reference: one page for each public name, recipe and command, from its docstring.

The pages are made again at each build and are never committed. A name gets its page by standing in
`coterie.__all__` or `coterie.recipes.__all__`, a command by standing in the command line's verbs;
nothing is listed here.
"""

import inspect
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import click

import coterie
from coterie.cli.command import VERBS

INTRODUCTION = """\
Every public name, with the text of its docstring. All but the interfaces are imported from
``coterie`` itself.
"""


@dataclass
class Section:
    """A page that lists pages: (file, name, first line of the docstring)."""

    heading: str
    entries: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def file(self) -> str:
        return self.heading.lower().replace(" ", "-")


def write(folder: Path) -> None:
    """Makes `folder` anew, with index.rst and everything that it leads to."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    sections: dict[str, Section] = {}

    def add(heading: str, name: str, text: str, value: Any) -> None:
        (folder / f"{name}.rst").write_text(text, encoding="utf-8")
        section = sections.setdefault(heading, Section(heading))
        section.entries.append((name, name.rpartition("/")[2], first_line(value)))

    for name, value in public():
        add(section_of(value), name, page(name, value), value)
    (folder / "recipes").mkdir()
    for name in coterie.recipes.__all__:
        add(
            "Recipes",
            f"recipes/{name}",
            recipe_page(name),
            import_module(f"coterie.recipes.{name}"),
        )
    (folder / "commands").mkdir()
    for verb in VERBS:
        add("Commands", f"commands/{verb}", command_page(verb), command(verb).callback)
    for interface in sorted(interfaces(), key=lambda cls: cls.__name__):
        add("Interfaces", interface.__name__, interface_page(interface), interface)
    for section in sections.values():
        (folder / f"{section.file}.rst").write_text(section_page(section), encoding="utf-8")
    (folder / "index.rst").write_text(index(list(sections.values())), encoding="utf-8")


def public() -> Iterator[tuple[str, Any]]:
    """Every name of `coterie.__all__` that is no module: functions first, then classes."""
    found = [(name, getattr(coterie, name)) for name in coterie.__all__]
    found = [pair for pair in found if not isinstance(pair[1], ModuleType)]
    yield from sorted(found, key=lambda pair: (inspect.isclass(pair[1]), pair[0].lower()))


def interface_of(value: Any) -> type | None:
    """The interface of coterie that a class is a kind of: an abstract class of a base.py."""
    bases = value.__mro__[1:] if inspect.isclass(value) else ()
    return next((base for base in bases if base.__module__.startswith("coterie.")), None)


def interfaces() -> set[type]:
    """The interfaces of all public kinds, which a kind of one's own is written against."""
    exported = {value for _, value in public() if inspect.isclass(value)}
    return {base for value in exported if (base := interface_of(value))} - exported


def section_of(value: Any) -> str:
    """The section of a name: functions, classes, or the kinds of one interface."""
    if not inspect.isclass(value):
        return "Functions"
    interface = interface_of(value)
    return "Classes" if interface is None else plural(interface.__name__)


def plural(name: str) -> str:
    """ "RoutingLoss" as "Routing losses"; what is plural or uncountable stays."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()
    if words.endswith("ss"):
        return f"{words}es"
    return words if words.endswith(("s", "ing")) else f"{words}s"


def first_line(value: Any) -> str:
    """The docstring's first paragraph."""
    text = inspect.cleandoc(value.__doc__ or "")
    return " ".join(text.partition("\n\n")[0].split())


def page(name: str, value: Any) -> str:
    """A class or function, under its public name."""
    kind = "autoclass" if inspect.isclass(value) else "autofunction"
    return f"{title(name)}.. currentmodule:: coterie\n\n.. {kind}:: coterie.{name}\n"


def interface_page(cls: type) -> str:
    """An interface, under the module that it is imported from."""
    where = f"{cls.__module__}.{cls.__name__}"
    return f"{title(cls.__name__)}.. currentmodule:: coterie\n\n.. autoclass:: {where}\n"


def recipe_page(name: str) -> str:
    """A recipe: what its module says of paper, use and departures, then the function."""
    module = import_module(f"coterie.recipes.{name}")
    text = inspect.cleandoc(module.__doc__ or "")
    first, _, rest = text.partition("\n\n")
    function = f".. currentmodule:: coterie\n\n.. autofunction:: coterie.recipes.{name}\n"
    return f"{title(name)}{first}\n\n{literal(rest)}{function}"


def command(verb: str) -> click.Command:
    module = import_module(f"coterie.cli.{verb.replace('-', '_')}")
    return getattr(module, verb.replace("-", "_"))


def command_page(verb: str) -> str:
    """The help of a verb, 100 columns wide."""
    with click.Context(
        command(verb), info_name=f"coterie {verb}", max_content_width=100, terminal_width=100
    ) as context:
        text = command(verb).get_help(context)
    return title(f"coterie {verb}") + literal(text)


def literal(text: str) -> str:
    """Lines as they stand."""
    if not text.strip():
        return ""
    lines = "\n".join(f"   {line}".rstrip() for line in text.strip("\n").splitlines())
    return f".. code-block:: text\n\n{lines}\n\n"


def section_page(section: Section) -> str:
    """A table of the section's names and first lines."""
    rows = "\n".join(
        f"   * - :doc:`{name} <{file}>`\n     - {text}" for file, name, text in section.entries
    )
    table = f".. list-table::\n   :widths: 30 70\n\n{rows}\n\n"
    files = "\n".join(f"   {name} <{file}>" for file, name, _ in section.entries)
    return f"{title(section.heading)}{table}.. toctree::\n   :hidden:\n\n{files}\n"


def index(sections: list[Section]) -> str:
    """The reference's first page: the sections, with the names in each."""
    rows = []
    for section in sections:
        names = ", ".join(f":doc:`{name} <{file}>`" for file, name, _ in section.entries)
        rows.append(f"   * - :doc:`{section.heading} <{section.file}>`\n     - {names}")
    table = ".. list-table::\n   :widths: 25 75\n\n" + "\n".join(rows) + "\n\n"
    files = "\n".join(f"   {section.file}" for section in sections)
    tree = f".. toctree::\n   :hidden:\n\n{files}\n"
    return f"{title('Reference')}{INTRODUCTION}\n{table}{tree}"


def title(text: str) -> str:
    return f"{text}\n{'=' * len(text)}\n\n"
