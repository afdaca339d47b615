"""How each kind of fenced block is run: shell commands, files that a page shows, rows of data.

- `bash`: `coterie ...` runs in this process and must end with 0; what needs a network or much time
  is parsed and not run; of `make TARGET` the dry run must succeed; `pip install` must name extras
  that there are.
- `yaml`: is written to the file that its first line names in a comment.
- `json`: each line is a row of a task, and is read as one.

coterie is imported where it is needed: this file is loaded before pytest installs the shape checks.
"""

import contextlib
import json
import shlex
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import jaxtyping
from sybil import Example
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

ROOT = Path(__file__).parents[2]
PARSED_ONLY = ("demo", "fetch", "serve", "study")
"""Verbs that download, train many models or go on until they are stopped; their arguments are
checked all the same."""


def run_shell(example: Example) -> None:
    """Runs the commands of a block, in order."""
    for words in commands(example.parsed):
        RUNNERS[words[0]](words[1:])


def commands(block: str) -> Iterator[list[str]]:
    """The words of each command, without comments; a backslash continues a line."""
    for line in block.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            yield words


def run_coterie(words: list[str]) -> None:
    if words[0] in PARSED_ONLY:
        load_command(words[0]).make_context(words[0], words[1:])
        return
    from coterie.cli.main import main

    with as_users_run_it():
        code = main(words)
    assert code == 0, f"`coterie {shlex.join(words)}` ended with {code}"


def load_command(name: str) -> click.Command:
    """Load a subcommand; those of the demo come from the package coterie-demo."""
    from coterie.cli.main import coterie

    command = coterie.get_command(click.Context(coterie), name)
    assert command is not None, f"there is no command {name!r}"
    return command


@contextlib.contextmanager
def as_users_run_it() -> Iterator[None]:
    """Without the tests' type checks."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def run_make(words: list[str]) -> None:
    done = subprocess.run(
        ["make", "--dry-run", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def run_pip(words: list[str]) -> None:
    """Checks that the extras exist which an installation asks for."""
    for word in words:
        name, _, extras = word.rstrip("]").partition("[")
        folder = ROOT if name == "coterie" else ROOT / name
        if (folder / "pyproject.toml").is_file():
            offered = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
            for extra in filter(None, extras.split(",")):
                assert extra in offered["optional-dependencies"], f"there is no extra {extra!r}"
        else:
            assert word.startswith("-") or word in ("install", "constraints.txt"), f"no {word!r}"
        assert word != "-c" or (ROOT / "constraints.txt").is_file()


RUNNERS: dict[str, Callable[[list[str]], None]] = {
    "coterie": run_coterie,
    "make": run_make,
    "pip": run_pip,
}


def write_file(example: Example) -> None:
    """Writes a block whose first line is a comment with a file's name."""
    name = example.parsed.partition("\n")[0].removeprefix("#").strip()
    assert name.endswith((".yaml", ".yml")) and " " not in name, (
        f"{example.path}:{example.line}: begin a yaml block with a comment: the file's name"
    )
    Path(name).write_text(example.parsed)


def read_rows(example: Example) -> None:
    """Reads each line as a row of a task."""
    from coterie.tasks import TextTask

    rows = [json.loads(line) for line in example.parsed.splitlines() if line.strip()]
    Path("shown.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = TextTask(name="shown", rows={"train": "shown.jsonl"}, folder=".")
    assert len(task.read_samples("train")) >= len(rows)


PARSERS = (
    PythonCodeBlockParser(),
    CodeBlockParser(language="bash", evaluator=run_shell),
    CodeBlockParser(language="yaml", evaluator=write_file),
    CodeBlockParser(language="json", evaluator=read_rows),
)
