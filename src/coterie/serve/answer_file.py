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
            line = {**labels, "answer": job.text.text}
            append_line(out, json.dumps(line, ensure_ascii=False))
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
    """Return how many answers are there, without a line that an interruption cut off."""
    with explain_write_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        if not out.exists():
            return 0
        with out.open("r+b") as file:
            content = file.read()
            whole = content.rfind(b"\n") + 1
            file.truncate(whole)
    done = 0
    for done, line in enumerate(_parse_lines(content[:whole]), 1):
        wanted = _read(rows, done - 1, make_prompt)[0] if done <= len(rows) else {}
        if not wanted or {name: line.get(name) for name in wanted} != wanted:
            raise ValueError(
                f"{out}:{done} is no answer to row {done} of {rows.name}: give another file, or "
                "remove this one to answer all rows"
            )
    return done


def _parse_lines(content: bytes) -> Iterator[dict[str, Any]]:
    for line in content.decode("utf-8", errors="replace").split("\n")[:-1]:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        yield found if isinstance(found, dict) else {}
