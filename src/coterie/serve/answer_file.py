"""A file of answers to a file of rows, which an interrupted process goes on with."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from coterie.data.sample import TextSample
from coterie.data.sources.base import RowSource
from coterie.io import append_line, explain_write_errors
from coterie.progress import Progress
from coterie.serve.engine import InferenceEngine
from coterie.serve.task_prompt import TaskPrompt

TASK = "task"
"""The column that names a row's task, where rows of several tasks are in one file."""
MakePrompt = Callable[[str | None], TaskPrompt]


def answer_rows(
    engine: InferenceEngine, rows: RowSource, out: Path, make_prompt: MakePrompt
) -> tuple[int, int]:
    """Append the answer to every row that has none yet to `out`, in the order of the rows.

    A line is {"row": file and line, "task": ..., the question's column: ..., "answer": ...}.

    Args:
        make_prompt: returns the prompts of a row's task; given the row's column `TASK`, or None.

    Returns the number of answers that were there before, and of new ones. Raises ValueError for a
    file that has other rows' answers, and for a bad row, after the answers to the rows before it.
    """
    done = _resume(out, rows, make_prompt)
    samples = (_read(rows, index, make_prompt)[1] for index in range(done, len(rows)))
    with Progress(len(rows), "generate", unit="row", initial=done) as progress:
        for index, job in enumerate(engine.answer(samples), done):
            labels, _ = _read(rows, index, make_prompt)
            append_line(out, _format_line(labels, job.text.text))
            progress.update()
    return done, len(rows) - done


def _read(
    rows: RowSource, index: int, make_prompt: MakePrompt
) -> tuple[dict[str, Any], TextSample]:
    """Return what stands beside a row's answer, and its prompt."""
    place = rows.describe_row(index)
    try:
        row: Mapping[str, Any] = rows[index]
        prompt = make_prompt(row.get(TASK))
        sample = prompt.read(row, source=place, folder=rows.get_folder(index))
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None
    column = prompt.task.question
    return {"row": place, TASK: prompt.task.name, column: row.get(column)}, sample


def _resume(out: Path, rows: RowSource, make_prompt: MakePrompt) -> int:
    """Return how many answers are there, and remove a line that an interruption cut off.

    Raises ValueError for a file of anything else, which stays as it is.
    """
    with explain_write_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        content = out.read_bytes() if out.exists() else b""
    whole = content.rfind(b"\n") + 1
    lines = list(_parse_lines(content[:whole]))
    for number, line in enumerate(lines):
        wanted = _read(rows, number, make_prompt)[0] if number < len(rows) else {}
        if not wanted or {name: line.get(name) for name in wanted} != wanted:
            raise _make_error(out, number, rows)
    if rest := content[whole:]:
        if len(lines) == len(rows):
            raise _make_error(out, len(lines), rows)
        labels, _ = _read(rows, len(lines), make_prompt)
        start = _format_line(labels, "").encode()[: -len('"}')]
        if not (start.startswith(rest) or rest.startswith(start)):
            raise _make_error(out, len(lines), rows)
        with explain_write_errors(out), out.open("r+b") as file:
            file.truncate(whole)
    return len(lines)


def _format_line(labels: Mapping[str, Any], answer: str) -> str:
    return json.dumps({**labels, "answer": answer}, ensure_ascii=False)


def _make_error(out: Path, number: int, rows: RowSource) -> ValueError:
    return ValueError(
        f"{out}:{number + 1} is no answer to row {number + 1} of {rows.name}: give another file, "
        "or remove this one to answer all rows"
    )


def _parse_lines(content: bytes) -> Iterator[dict[str, Any]]:
    for line in content.decode("utf-8", errors="replace").split("\n")[:-1]:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        yield found if isinstance(found, dict) else {}
