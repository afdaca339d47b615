"""`coterie generate`: answer questions with a run's model, about images, audio or neither."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coterie.cli.device import announce_device, device_option
from coterie.cli.main import Subcommand
from coterie.cli.moved_run import moved_run_options, open_run
from coterie.modalities.base import find_media_modalities

if TYPE_CHECKING:
    from coterie.serve.engine import InferenceEngine
    from coterie.serve.task_prompt import TaskPrompt


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
@click.option("--rows", metavar="FILE", help="Answer the rows of a file; needs --out.")
@click.option("--out", metavar="PATH", help="The file of answers to --rows; a folder for maps.")
@click.option("--batch-size", default=16, show_default=True, type=int, help="Answers at a time.")
@moved_run_options
@device_option
def generate(
    run: str,
    questions: tuple[str, ...],
    task: str | None,
    device: str | None,
    **options: Any,
) -> None:
    """Answer questions with a run's model.

    Each answer is a line; line breaks in it are written \\n. Without a QUESTION, each line of
    standard input is one, unless the task's prompt needs none. With --jsonl, lines of standard
    input are rows as in training, with their own images and audio, and each answer is a JSON line
    with the question. The model is loaded once.

    --rows answers a file, many rows at a time, with a line of --out for each in their order. Rows
    of several tasks name theirs in a column "task". Called again, it goes on where it was stopped.

    Of a run with dense tasks, --image and --out write each task's map of each image into a folder,
    as .npy and .png.

    \b
    Examples:
      coterie generate runs/rode --task naming --image apple.png "What is this?"
      coterie generate runs/rode --task compare --image a.png --image b.png "Which is older?"
      coterie generate runs/rode --task spoken --audio word.wav "Which word is spoken?"
      coterie generate runs/rode --task ocr --image page.png < questions.txt
      coterie generate runs/rode --task ocr --jsonl < rows.jsonl > answers.jsonl
      coterie generate runs/rode --rows rows.jsonl --out answers.jsonl
      coterie generate runs/squad --image street.png --out maps
    """
    from coterie.serve.engine import InferenceEngine, find_task

    jsonl: bool = options["jsonl"]
    rows: Any = options["rows"]
    out: Any = options["out"]
    media = {name: options[name] for name in find_media_modalities() if options[name]}
    asks = bool(questions) or jsonl
    makes_maps = rows is None and out is not None and "image" in media and not asks
    check_usage(rows, None if makes_maps else out, given=asks, batch_size=options["batch_size"])
    chosen = announce_device(device)
    opened = open_run(run, base=options["base"], tasks=options["tasks"])
    if makes_maps:
        write_maps(
            opened, media["image"], str(out), task, device=chosen, batch=options["batch_size"]
        )
        return
    if rows is None:
        find_task(opened, task)  # a name is wrong before a large model is loaded
    engine = InferenceEngine.from_run(opened, device=chosen, max_rows=options["batch_size"])
    if rows is None:
        answer_questions(engine, engine.make_prompt(task, media), questions, jsonl=jsonl)
    else:
        answer_file(engine, str(rows), str(out), task, media)


def check_usage(rows: str | None, out: str | None, *, given: bool, batch_size: int) -> None:
    """Raise ValueError for options that do not go together."""
    if (rows is None) != (out is None):
        raise ValueError("--rows and --out go together: give the rows, and where answers go")
    if rows is not None and given:
        raise ValueError("--rows has the questions: leave QUESTION and --jsonl out")
    if batch_size < 1:
        raise ValueError(f"--batch-size {batch_size}: give at least 1")


def answer_questions(
    engine: "InferenceEngine", prompt: "TaskPrompt", questions: tuple[str, ...], *, jsonl: bool
) -> None:
    """Print an answer to each question, or each line of standard input, when it is there."""
    column = prompt.task.question
    for question in questions:
        prompt.check_question(question)
    if questions:
        batches = [[{column: question} for question in questions]]
    elif not prompt.needs_question and not jsonl:
        batches = [[{}]]
    else:  # who types a line waits for its answer
        batches = ([row] for row in read_rows(sys.stdin, column, jsonl=jsonl))
    for rows in batches:
        jobs = engine.answer(prompt.read(row) for row in rows)
        for row, job in zip(rows, jobs, strict=True):
            answer = job.text.text
            if jsonl:
                answer = json.dumps({column: row.get(column), "answer": answer}, ensure_ascii=False)
            click.echo(answer.replace("\r", "\\r").replace("\n", "\\n"))


def answer_file(
    engine: "InferenceEngine",
    rows: str,
    out: str,
    task: str | None,
    media: Mapping[str, tuple[str, ...]],
) -> None:
    """Answer the rows of a file into another, and say how many."""
    from coterie.data.sources.opening import open_rows
    from coterie.serve.answer_file import answer_rows

    def make_prompt(named: Any) -> "TaskPrompt":
        return engine.make_prompt(task or named, media)

    source = open_rows(rows, split="test")
    before, new = answer_rows(engine, source, Path(out).expanduser(), make_prompt)
    click.echo(f"{out}: {new} new answers" + (f", {before} were there" if before else ""))


def write_maps(
    run: Any, images: tuple[str, ...], out: str, task: str | None, *, device: Any, batch: int
) -> None:
    """Write the maps of images into a folder, and say which files."""
    from coterie.data.sample import MediaFile
    from coterie.serve.dense_engine import DenseEngine, save_maps

    stems = [Path(image).stem for image in images]
    if len(set(stems)) < len(stems):
        raise ValueError("--image: two files have one name, and so would their maps: rename one")
    engine = DenseEngine.from_run(run, device=device, batch_size=batch)
    tasks = engine.select_tasks(task)
    files = (MediaFile(kind="image", path=Path(image).expanduser()) for image in images)
    for stem, (_, outputs) in zip(stems, engine.predict(files, tasks), strict=True):
        for file in save_maps(tasks, outputs, Path(out).expanduser(), stem):
            click.echo(file)


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
