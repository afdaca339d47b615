"""Rewrites the public files of a question data set as tasks, and scores predictions of them.

python -m coterie.datasets write pope --to pope file=coco_pope_random.json images=val2014
python -m coterie.datasets score pope/pope.test.jsonl RUN/predictions/test/pope.jsonl
python -m coterie.datasets list
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import MISSING
from pathlib import Path
from typing import Any, get_type_hints

from coterie import datasets, serialization
from coterie.annotations import format_suggestions
from coterie.datasets.questions.base import (
    DEFINITIONS,
    QuestionDataset,
    read_answered_rows,
    write_tasks,
)
from coterie.datasets.questions.files import read_json_file
from coterie.metrics.parse import normalize_metric_name


def find_datasets() -> dict[str, type[QuestionDataset]]:
    """Map the name of each question data set, without case and separators, to its class."""
    kinds = serialization.find_kinds(datasets, QuestionDataset)
    return {normalize_metric_name(kind.__name__): kind for kind in kinds}


def construct_dataset(name: str, settings: Sequence[str]) -> QuestionDataset:
    """Construct a data set from its name and `field=value`. Raises ValueError if one is wrong."""
    kind = find_dataset(name)
    return serialization.construct(kind, parse_settings(kind, settings), name)


def find_dataset(name: str) -> type[QuestionDataset]:
    """Return the class of a data set's name. Raises ValueError if there is none."""
    known = find_datasets()
    kind = known.get(normalize_metric_name(name))
    if kind is None:
        near = format_suggestions(name, known)
        raise ValueError(f"{name!r} is no data set{near}: there are {', '.join(known)}")
    return kind


def parse_settings(kind: type, settings: Sequence[str]) -> dict[str, Any]:
    """Parse `field=value` texts by the types of the fields."""
    hints = get_type_hints(kind)
    found = {}
    for text in settings:
        field, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"{text!r}: give field=value")
        if hints.get(field) is bool and value.lower() not in ("true", "false"):
            raise ValueError(f"{text!r}: give true or false")
        found[field] = value.lower() == "true" if hints.get(field) is bool else value
    return found


def write(given: argparse.Namespace) -> None:
    """Write tasks.yaml and rows of a data set."""
    dataset = construct_dataset(given.dataset, given.settings)
    print(write_tasks(given.to, {given.split: dataset}, skip_bad_rows=given.skip_bad_rows))


def score(given: argparse.Namespace) -> None:
    """Print the published scores of predictions."""
    rows = Path(given.rows)
    task, _, split = rows.stem.rpartition(".")
    definitions = read_json_file(rows.parent / DEFINITIONS)
    if not isinstance(definitions, dict) or not isinstance(definitions.get(split), dict):
        raise ValueError(f"{rows}: give a file that `write` wrote, TASK.SPLIT.jsonl")
    fields = dict(definitions[split])
    kind = find_dataset(str(fields.pop("dataset", "")))
    fields |= parse_settings(kind, given.settings)
    dataset = serialization.construct(kind, fields, DEFINITIONS)
    answered = read_answered_rows(rows, given.answers)
    for name, value in dataset.compute_scores(task, answered).items():
        print(f"{value:10.4g}  {name}")


def show(given: argparse.Namespace) -> None:
    """Print each data set with its fields."""
    for name, kind in find_datasets().items():
        fields = serialization.get_init_fields(kind)
        texts = (f"{f.name}=..." if f.default is MISSING else f"[{f.name}={f.default}]"
                 for f in fields)  # fmt: skip
        print(f"{name} {' '.join(texts)}: {(kind.__doc__ or '').splitlines()[0]}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m coterie.datasets", description=(__doc__ or "").splitlines()[0]
    )
    verbs = parser.add_subparsers(required=True)
    one = verbs.add_parser("write", help="write tasks.yaml and rows from public files")
    one.add_argument("dataset")
    one.add_argument("settings", nargs="*", metavar="FIELD=VALUE")
    one.add_argument("--to", required=True, help="the folder that is written")
    one.add_argument("--split", default="test", help="the split that the rows are (test)")
    one.add_argument("--skip-bad-rows", action="store_true", help="leave bad records out")
    one.set_defaults(run=write)
    two = verbs.add_parser("score", help="print the published scores of predictions")
    two.add_argument("rows", help="TASK.SPLIT.jsonl that `write` wrote")
    two.add_argument("answers", metavar="PREDICTIONS", help="RUN/predictions/SPLIT/TASK.jsonl")
    two.add_argument("settings", nargs="*", metavar="FIELD=VALUE")
    two.set_defaults(run=score)
    verbs.add_parser("list", help="list the data sets").set_defaults(run=show)
    given = parser.parse_args(arguments)
    try:
        given.run(given)
    except ValueError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
