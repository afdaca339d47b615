"""Generates the reference: a page for each public name, recipe and command, from its docstring.

The pages are generated at each build and never committed. Names are those of `coterie.__all__` and
`coterie.recipes.__all__`, commands those of the installed command line; nothing is listed here.
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
from coterie.cli.main import coterie as command_line

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


def write_reference(folder: Path) -> None:
    """Delete `folder` and write it again, with index.rst and all pages that it links to."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    sections: dict[str, Section] = {}

    def add(heading: str, name: str, text: str, value: Any) -> None:
        (folder / f"{name}.rst").write_text(text, encoding="utf-8")
        section = sections.setdefault(heading, Section(heading))
        section.entries.append((name, name.rpartition("/")[2], get_summary(value)))

    for name, value in list_public_names():
        add(get_section_name(value), name, make_page(name, value), value)
    (folder / "recipes").mkdir()
    for name in coterie.recipes.__all__:
        add(
            "Recipes",
            f"recipes/{name}",
            make_recipe_page(name),
            import_module(f"coterie.recipes.{name}"),
        )
    (folder / "commands").mkdir()
    for name, command in list_commands():
        add("Commands", f"commands/{name}", make_command_page(name, command), command.callback)
    for interface in sorted(list_interfaces(), key=lambda cls: cls.__name__):
        add("Interfaces", interface.__name__, make_interface_page(interface), interface)
    for section in sections.values():
        (folder / f"{section.file}.rst").write_text(make_section_page(section), encoding="utf-8")
    (folder / "index.rst").write_text(make_index(list(sections.values())), encoding="utf-8")


def list_public_names() -> Iterator[tuple[str, Any]]:
    """List the names of `coterie.__all__` but modules: functions first, then classes."""
    found = [(name, getattr(coterie, name)) for name in coterie.__all__]
    found = [pair for pair in found if not isinstance(pair[1], ModuleType)]
    yield from sorted(found, key=lambda pair: (inspect.isclass(pair[1]), pair[0].lower()))


def find_interface(value: Any) -> type | None:
    """Return the abstract class of coterie that a class implements; None if there is none."""
    bases = value.__mro__[1:] if inspect.isclass(value) else ()
    return next((base for base in bases if base.__module__.startswith("coterie.")), None)


def list_interfaces() -> set[type]:
    """Return the interfaces of all public classes, which a class of a user's own implements."""
    exported = {value for _, value in list_public_names() if inspect.isclass(value)}
    return {base for value in exported if (base := find_interface(value))} - exported


def get_section_name(value: Any) -> str:
    """Return the section of a name: functions, classes, or the classes of one interface."""
    if not inspect.isclass(value):
        return "Functions"
    interface = find_interface(value)
    return "Classes" if interface is None else pluralize(interface.__name__)


def pluralize(name: str) -> str:
    """Return "Routing losses" for "RoutingLoss"; plural and uncountable nouns stay."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()
    if words.endswith("ss"):
        return f"{words}es"
    return words if words.endswith(("s", "ing")) else f"{words}s"


def get_summary(value: Any) -> str:
    """Return the docstring's first paragraph."""
    text = inspect.cleandoc(value.__doc__ or "")
    return " ".join(text.partition("\n\n")[0].split())


def make_page(name: str, value: Any) -> str:
    """Return the page of a class or function, under its public name."""
    kind = "autoclass" if inspect.isclass(value) else "autofunction"
    return f"{format_title(name)}.. currentmodule:: coterie\n\n.. {kind}:: coterie.{name}\n"


def make_interface_page(cls: type) -> str:
    """Return the page of an interface, under the module that defines it."""
    where = f"{cls.__module__}.{cls.__name__}"
    return f"{format_title(cls.__name__)}.. currentmodule:: coterie\n\n.. autoclass:: {where}\n"


def make_recipe_page(name: str) -> str:
    """Return the page of a recipe: its module's docstring, then its function."""
    module = import_module(f"coterie.recipes.{name}")
    text = inspect.cleandoc(module.__doc__ or "")
    first, _, rest = text.partition("\n\n")
    function = f".. currentmodule:: coterie\n\n.. autofunction:: coterie.recipes.{name}\n"
    return f"{format_title(name)}{first}\n\n{format_literal(rest)}{function}"


def list_commands() -> Iterator[tuple[str, click.Command]]:
    """List the subcommands, with those of other installed packages."""
    with click.Context(command_line, info_name="coterie") as context:
        for name in command_line.list_commands(context):
            command = command_line.get_command(context, name)
            assert command is not None, name
            yield name, command


def make_command_page(name: str, command: click.Command) -> str:
    """Return the page of a subcommand: its help, 100 columns wide."""
    with click.Context(
        command, info_name=f"coterie {name}", max_content_width=100, terminal_width=100
    ) as context:
        text = command.get_help(context)
    return format_title(f"coterie {name}") + format_literal(text)


def format_literal(text: str) -> str:
    """Return lines as a block without markup."""
    if not text.strip():
        return ""
    lines = "\n".join(f"   {line}".rstrip() for line in text.strip("\n").splitlines())
    return f".. code-block:: text\n\n{lines}\n\n"


def make_section_page(section: Section) -> str:
    """Return the page of a section: a table of its names with their first lines."""
    rows = "\n".join(
        f"   * - :doc:`{name} <{file}>`\n     - {text}" for file, name, text in section.entries
    )
    table = f".. list-table::\n   :widths: 30 70\n\n{rows}\n\n"
    files = "\n".join(f"   {name} <{file}>" for file, name, _ in section.entries)
    return f"{format_title(section.heading)}{table}.. toctree::\n   :hidden:\n\n{files}\n"


def make_index(sections: list[Section]) -> str:
    """Return the first page of the reference: the sections, with the names in each."""
    rows = []
    for section in sections:
        names = ", ".join(f":doc:`{name} <{file}>`" for file, name, _ in section.entries)
        rows.append(f"   * - :doc:`{section.heading} <{section.file}>`\n     - {names}")
    table = ".. list-table::\n   :widths: 25 75\n\n" + "\n".join(rows) + "\n\n"
    files = "\n".join(f"   {section.file}" for section in sections)
    tree = f".. toctree::\n   :hidden:\n\n{files}\n"
    return f"{format_title('Reference')}{INTRODUCTION}\n{table}{tree}"


def format_title(text: str) -> str:
    return f"{text}\n{'=' * len(text)}\n\n"
