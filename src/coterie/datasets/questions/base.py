"""`QuestionDataset`: a published data set whose files are rewritten as rows, and scored."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from coterie.data.dataset import BadRow, RowError, format_bad_rows
from coterie.data.sources.jsonl import JsonlSource
from coterie.io import write, write_json
from coterie.metrics import parse_metric
from coterie.optional_imports import import_optional
from coterie.serialization import get_init_fields

DEFINITIONS = "datasets.json"
"""Beside tasks.yaml: the data set of each split, which scores its predictions."""
PNG = b"\x89PNG"
SHORT_ANSWER = "{question}\nAnswer the question using a single word or phrase."
"""The prompt of short answers, as in LLaVA-1.5 (arXiv:2310.03744)."""
Row = dict[str, Any]
Record = tuple[str, Any]
"""File and place of a record for errors, and what stands there."""


@dataclass(frozen=True, kw_only=True)
class QuestionTask:
    """A task of a data set.

    Attributes:
        prompt: the template of tasks.yaml.
        metrics: the published ones; the first is that of tasks.yaml.
        max_new_tokens: of an answer, at most.
    """

    name: str
    prompt: str = "{question}"
    metrics: tuple[str, ...] = ("exact",)
    max_new_tokens: int = 32


class QuestionDataset(ABC):
    """A published data set. Kinds are frozen keyword-only dataclasses whose fields are its files.

    Attributes:
        tasks: its tasks.
        groups: columns of a row; scores are computed for each of their values too.
    """

    tasks: ClassVar[tuple[QuestionTask, ...]]
    groups: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def list_records(self) -> Iterable[Record]:
        """List the records of the files. Raises ValueError, naming the file, if one is damaged."""

    def convert(self, record: Any) -> Iterable[tuple[str, Row]]:
        """Convert a record to rows, each with its task. Raises RowError at a bad field.

        By default to one row, of the first task.
        """
        return [(self.tasks[0].name, self.make_row(record))]

    def make_row(self, record: Any) -> Row:
        """Convert a record to its one row; for data sets with one row a record."""
        raise NotImplementedError(f"{type(self).__name__} has neither make_row nor convert")

    def read(self) -> tuple[list[tuple[str, Row]], tuple[BadRow, ...]]:
        """Read all records: the rows, each with the name of its task, and the bad records."""
        rows: list[tuple[str, Row]] = []
        bad: list[BadRow] = []
        for source, record in self.list_records():
            try:
                rows += list(self.convert(record))
            except RowError as error:
                bad.append(BadRow(source=source, field=error.field, reason=error.reason))
        return rows, tuple(bad)

    def compute_scores(self, task: str, rows: Sequence[Row]) -> dict[str, float]:
        """Compute the published scores of rows, each with its "prediction".

        By default those of the task's metrics, with their details, over all rows and over the rows
        of each value of `groups`.
        """
        metrics = next(each.metrics for each in self.tasks if each.name == task)
        scores = compute_metrics(metrics, rows)
        for column in self.groups:
            for value, part in group_rows(rows, column).items():
                found = compute_metrics(metrics, part)
                scores |= {f"{column} {value}: {name}": score for name, score in found.items()}
        return scores | {"rows": float(len(rows))}


def compute_metrics(metrics: Sequence[str], rows: Sequence[Row]) -> dict[str, float]:
    """Compute the scores of metrics, and their details."""
    found: dict[str, float] = {}
    for name in metrics:
        given = [
            {**row, "answers": [row["answer"]] if isinstance(row["answer"], str) else row["answer"]}
            for row in rows
        ]
        metric, statistics = parse_metric(name).compute_statistics(given)
        total = statistics.sum(0)
        found |= {name: metric.score(total)} | dict(metric.describe(total))
    return found


def group_rows(rows: Iterable[Row], column: str) -> dict[str, list[Row]]:
    """Group rows by the value of a column, in order of first occurrence."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(str(row[column]), []).append(row)
    return found


def write_tasks(
    folder: str | Path, splits: Mapping[str, QuestionDataset], *, skip_bad_rows: bool = False
) -> Path:
    """Write FOLDER/tasks.yaml, and the rows of each task and split beside it; return tasks.yaml.

    Args:
        splits: split -> the data set with its files; all of one kind.
        skip_bad_rows: leave out records that cannot be read, and list them in left_out.SPLIT.txt;
            else they are an error.

    Raises ValueError, naming file and row, for files that cannot be read.
    """
    folder, files = Path(folder), dict[str, dict[str, str]]()
    for split, dataset in splits.items():
        rows, bad = dataset.read()
        if (bad and not skip_bad_rows) or not rows:
            total = f"{len(bad)} bad record{'s' if len(bad) > 1 else ''}" if bad else "no records"
            advice = "mend the files, or leave them out by skip_bad_rows=True (--skip-bad-rows)"
            head = f"{type(dataset).__name__}, split {split!r}: {total}; {advice}"
            raise ValueError("\n".join([head, *format_bad_rows(bad)] if bad else [head]))
        if bad:
            write(folder / f"left_out.{split}.txt", "\n".join(map(str, bad)))
        for task in dataset.tasks:
            mine = [save_media(row, folder) for name, row in rows if name == task.name]
            if mine:
                file = write_rows(folder / f"{task.name}.{split}.jsonl", mine)
                files.setdefault(task.name, {})[split] = file.name
    kinds = {task.name: task for dataset in splits.values() for task in dataset.tasks}
    items = [
        {"name": name, "rows": rows, "prompt": kinds[name].prompt,
         "metric": kinds[name].metrics[0], "max_new_tokens": kinds[name].max_new_tokens}
        for name, rows in files.items()
    ]  # fmt: skip
    definitions = {split: define(dataset) for split, dataset in splits.items()}
    write_json(folder / DEFINITIONS, definitions)
    yaml = import_optional("yaml", "data")
    return write(folder / "tasks.yaml", yaml.safe_dump({"tasks": items}, sort_keys=False))


def define(dataset: QuestionDataset) -> dict[str, Any]:
    """Return the name of a data set's class under "dataset", and its fields."""
    fields = get_init_fields(type(dataset))
    return {"dataset": type(dataset).__name__} | {f.name: getattr(dataset, f.name) for f in fields}


def write_rows(path: Path, rows: Iterable[Row]) -> Path:
    """Write rows as JSON lines."""
    return write(path, "".join(json.dumps(row, ensure_ascii=True) + "\n" for row in rows))


def save_media(row: Row, folder: Path) -> Row:
    """Write an image that the row holds as bytes to a file, named by its content: once for all."""
    content = row.get("image")
    if not isinstance(content, bytes):
        return row
    suffix = "png" if content.startswith(PNG) else "jpg"
    path = folder / "images" / f"{hashlib.sha256(content).hexdigest()[:24]}.{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return {**row, "image": path.relative_to(folder).as_posix()}


def read_answered_rows(rows: str | Path, predictions: str | Path) -> list[Row]:
    """Join the rows of a file that `write_tasks` wrote with a run's predictions of them.

    Args:
        predictions: RUN/predictions/SPLIT/TASK.jsonl of `coterie evaluate`, whose "source" names
            file and line of each row; others need the same two keys, "source" and "prediction".

    Raises ValueError if a row has no prediction, or a prediction no row.
    """
    rows, predictions = Path(rows), Path(predictions)
    known = {f"{rows.name}:{number}": row for number, row in read_json_rows(rows)}
    found: dict[str, Row] = {}
    for number, row in read_json_rows(predictions):
        source, where = row.get("source"), f"{predictions}:{number}"
        if source not in known or source in found:
            problem = "comes twice" if source in found else f"is no row of {rows}"
            raise ValueError(f"{where}: source = {source!r} {problem}: give the rows' own file")
        if not isinstance(row.get("prediction"), str):
            raise ValueError(f"{where}: prediction = {row.get('prediction')!r}: give a text")
        found[source] = known[source] | {"prediction": row["prediction"]}
    if missing := known.keys() - found.keys():
        first = next(source for source in known if source in missing)
        raise ValueError(
            f"{predictions} has no prediction for {len(missing)} of {len(known)} rows, the first "
            f"is {first}: evaluate without --limit"
        )
    return [found[source] for source in known]


def read_json_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """Yield number from 1 and object of each line of a JSON lines file. Raises ValueError."""
    source = JsonlSource(path)
    for index in range(len(source)):
        try:
            yield source.numbers[index], source[index]
        except RowError as error:
            raise ValueError(f"{path}:{source.numbers[index]}: {error}") from None


def compute_percents(rows: Sequence[Row], right: Sequence[bool], column: str) -> dict[str, float]:
    """Compute the percent of rows that are right, for each value of a column, sorted by value."""
    found: dict[str, list[bool]] = {}
    for row, is_right in zip(rows, right, strict=True):
        found.setdefault(str(row[column]), []).append(is_right)
    return {value: 100 * sum(found[value]) / len(found[value]) for value in sorted(found)}
