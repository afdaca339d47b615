"""`coterie generate`: answer questions with a run's model, about images, audio or neither."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import click

from coterie.cli.device import announce_device, device_option
from coterie.cli.main import Subcommand
from coterie.cli.moved_run import moved_run_options, open_run
from coterie.modalities.base import find_media_modalities


def add_media_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add an option for the files of each modality: --image, --audio."""
    for name in reversed(find_media_modalities()):
        text = f"A file ({name}) that the questions are about; repeat it for several, in order."
        command = click.option(f"--{name}", multiple=True, metavar="FILE", help=text)(command)
    return command


@click.command(cls=Subcommand)
@click.argument("run", metavar="RUN")
@click.argument("questions", nargs=-1, metavar="[QUESTION]...")
@click.option("--task", help="Which of the run's tasks; needed if it has several.")
@add_media_options
@click.option("--jsonl", is_flag=True, help="Read rows and write answers as JSON lines.")
@moved_run_options
@device_option
def generate(
    run: str,
    questions: tuple[str, ...],
    task: str | None,
    jsonl: bool,
    base: str | None,
    tasks: str | None,
    device: str | None,
    **media: tuple[str, ...],
) -> None:
    """Answer questions with a run's model.

    Each answer is a line; line breaks in it are written \\n. Without a QUESTION, each line of
    standard input is one, unless the task's prompt needs none. With --jsonl, lines of standard
    input are rows as in training, with their own images and audio, and each answer is a JSON line
    with the question. The model is loaded once.

    \b
    Examples:
      coterie generate runs/rode --task naming --image apple.png "What is this?"
      coterie generate runs/rode --task compare --image a.png --image b.png "Which is older?"
      coterie generate runs/rode --task spoken --audio word.wav "Which word is spoken?"
      coterie generate runs/rode --task ocr --image page.png < questions.txt
      coterie generate runs/rode --task ocr --jsonl < rows.jsonl > answers.jsonl
    """
    from coterie.serve.engine import InferenceEngine

    given = {name: files for name, files in media.items() if files}
    chosen = announce_device(device)
    opened = open_run(run, base=base, tasks=tasks)
    engine = InferenceEngine.from_run(opened, task=task, media=given, device=chosen)
    column = engine.task.question
    rows: Iterable[Mapping[str, Any]]
    if questions:
        rows = ({column: question} for question in questions)
    elif not engine.needs_question and not jsonl:
        rows = ({},)
    else:
        rows = read_rows(sys.stdin, column, jsonl=jsonl)
    for row in rows:
        answer = engine.answer_row(row)
        if jsonl:
            answer = json.dumps({column: row.get(column), "answer": answer}, ensure_ascii=False)
        click.echo(answer.replace("\r", "\\r").replace("\n", "\\n"))


def read_rows(lines: Iterable[str], column: str, *, jsonl: bool) -> Iterator[dict[str, Any]]:
    """Yield a row for each line: the question, or an object in JSON.

    Raises ValueError with the line's number for a line that is no object.
    """
    if sys.stdin.isatty():
        click.echo("type a question a line; Ctrl-D ends", err=True)
    for number, line in enumerate(lines, 1):
        text = line.rstrip("\r\n")
        if not jsonl:
            yield {column: text}
        elif text.strip():
            yield parse_row(text, number)


def parse_row(text: str, number: int) -> dict[str, Any]:
    """Parse a line of JSON. Raises ValueError unless it is an object."""
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"standard input:{number} is no JSON ({error})") from None
    if not isinstance(row, dict):
        raise ValueError(
            f'standard input:{number} is {text[:40]!r}: give an object, such as {{"question": ...}}'
        )
    return row
