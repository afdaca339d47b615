"""docs/commands.md has every verb's help as it is."""

from importlib import import_module
from pathlib import Path

import click

from coterie.cli.main import VERBS

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
START, END = "made by `python -m tests.cli.test_docs` -->\n", "<!-- end of verbs -->"


def helps() -> str:
    """The help of each verb, under its name, 100 columns wide."""
    parts = []
    for name in VERBS:
        command = getattr(import_module(f"coterie.cli.{name}"), name)
        with click.Context(command, info_name=f"coterie {name}", max_content_width=100,
                           terminal_width=100) as context:  # fmt: skip
            text = command.get_help(context)
        parts.append(f"\n## {name}\n\n```\n{text}\n```\n")
    return "".join(parts) + "\n"


def parts() -> tuple[str, str, str]:
    before, rest = PAGE.read_text().split(START)
    inside, after = rest.split(END)
    return before + START, inside, END + after


def test_the_helps_are_up_to_date() -> None:
    assert parts()[1] == helps(), "run: python -m tests.cli.test_docs"


if __name__ == "__main__":
    before, _, after = parts()
    PAGE.write_text(before + helps() + after)
