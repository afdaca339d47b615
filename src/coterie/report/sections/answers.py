"""Sample predictions: text with its media, or images, whichever the rows of predictions hold.

Text answers are right and wrong ones, sampled by a fixed seed.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from coterie.report.context import ReportContext
from coterie.report.correctness import Grader, find_rows_folders, find_samples, get_answers
from coterie.report.embedded_media import EmbeddedMedia, embed_media
from coterie.report.image_examples import MAX_ANSWERS, build_image_examples
from coterie.report.section import Section
from coterie.report.systems import ReportSystem, RunFiles
from coterie.train.run_directory import MissingFile

MAX_MEDIA_BYTES = 2_000_000
"""Of data URIs; with all else at its largest, the page stays below 3 MB."""
SEED = 0
MAX_EXAMPLES = 48
Row = Mapping[str, Any]


class TextExample(NamedTuple):
    """A row of predictions: its media, and the grader and row of each system with its question."""

    row: Row
    media: list[EmbeddedMedia]
    answers: Sequence[tuple[ReportSystem, Grader, Row]]

    @property
    def accepted_answers(self) -> str:
        """All answers that count as right."""
        return " | ".join(map(str, get_answers(self.row)))


class TaskExamples(NamedTuple):
    """A task's examples; `rule` says what right and wrong mean here."""

    task: str
    rule: str
    examples: Sequence[TextExample]


class Answers(Section):
    """Right and wrong answers of the highlighted system, and grids of predicted images."""

    title = "Answers"
    order = 60

    def build(self, context: ReportContext) -> Mapping[str, Any]:
        tasks, missing = build_text_examples(
            context.systems, context.highlighted, context.media_roots
        )
        left_out, left_bytes = limit_media(tasks, MAX_MEDIA_BYTES)
        images = build_image_examples(context.systems, context.highlighted, left_bytes)
        return {
            "tasks": tasks,
            "media_left_out": left_out,
            "images": images,
            "missing": [*missing, *images.missing],
            "command": context.evaluate_command,
        }


def build_text_examples(
    systems: Sequence[ReportSystem], highlighted: ReportSystem, media_roots: Sequence[Path] = ()
) -> tuple[list[TaskExamples], list[MissingFile]]:
    """Build as many right as wrong answers of a system, with the others' to the same samples.

    Of a system with several runs, the first that has the task is shown. Tasks whose predictions
    hold no text are left out. Also returns what is missing.
    """
    runs = [run for run in highlighted.runs if run.has_text_predictions]
    names = list(dict.fromkeys(task for run in runs for task in run.metrics))
    each = max(1, min(2, MAX_EXAMPLES // (2 * max(len(names), 1))))
    tasks: list[TaskExamples] = []
    missing: list[MissingFile] = []
    for task in names:
        run = highlighted.find_run(task)
        rows, grader = read_graded(run, task)
        if not rows:
            missing.append(explain_missing_answers(run, task))
            continue
        places = pick_examples(rows, grader, task, each)
        try:
            wanted = {place: str(rows[place].get("source")) for place in places}
            samples = find_samples(run, task, wanted)
        except (ValueError, OSError) as error:
            samples = {}
            missing.append(MissingFile(f"Pictures and sounds cannot be shown: {error}"))
        said = {}
        for system in (*systems[:MAX_ANSWERS], highlighted):
            answers, marks = read_graded(system.find_run(task), task)
            said[system] = marks, {get_sample_key(row): row for row in answers}
        roots = (*find_rows_folders(run, task), *media_roots)
        picked = [build_example(rows[place], samples, said, roots) for place in places]
        tasks.append(TaskExamples(task, grader.rule, picked))
    return tasks, list(dict.fromkeys(missing))


def read_graded(run: RunFiles, task: str) -> tuple[Sequence[Row], Grader]:
    """Read a run's predictions of a task, and return how they are marked."""
    rows = [row for row in run.read_predictions(task) if "prediction" in row]
    return rows, Grader.from_predictions(run.metrics.get(task), rows)


def explain_missing_answers(run: RunFiles, task: str) -> MissingFile:
    """Say why there are no answers to a task, whose name comes from a file."""
    try:
        file = run.directory.predictions_file(run.split, task)
    except ValueError as error:
        return MissingFile(f"No answers to {task}: {error}")
    return run.directory.explain(file, f"No answers to {task}")


def pick_examples(rows: Sequence[Row], grader: Grader, task: str, each: int) -> list[int]:
    """Return indices of `each` right and `each` wrong rows in turn; one kind fills up the other."""
    kinds: tuple[list[int], list[int]] = ([], [])
    for place, row in enumerate(rows):
        kinds[0 if grader.is_right(row) else 1].append(place)
    chance = random.Random(f"{SEED} {task}")
    right, wrong = (chance.sample(kind, len(kind)) for kind in kinds)
    count = min(2 * each, len(rows))
    of_wrong = min(len(wrong), max(count // 2, count - len(right)))
    turns = zip_longest(right[: count - of_wrong], wrong[:of_wrong])
    return [place for pair in turns for place in pair if place is not None]


def build_example(
    row: Row,
    samples: Mapping[str, Any],
    said: Mapping[ReportSystem, tuple[Grader, Mapping[str, Row]]],
    roots: Sequence[Path],
) -> TextExample:
    """Build a sample with the answers of all systems that have the same question."""
    found = [
        (system, grader, rows[key])
        for system, (grader, rows) in said.items()
        if (key := get_sample_key(row)) in rows and rows[key].get("question") == row.get("question")
    ]
    sample = samples.get(str(row.get("source")))
    media = [] if sample is None else [embed_media(each, roots) for each in sample.get_media()]
    return TextExample(row, media, found)


def get_sample_key(row: Row) -> str:
    """Return a row's source without its folder: runs may come from several machines."""
    return Path(str(row.get("source", ""))).name


def limit_media(tasks: Sequence[TaskExamples], most_bytes: int) -> tuple[int, int]:
    """Replace the media that do not fit by notes; return their number, and the bytes that remain.

    Each task's first example comes before any task's second.
    """
    left_out = 0
    for example in filter(None, chain(*zip_longest(*(task.examples for task in tasks)))):
        size_bytes = sum(len(each.uri) for each in example.media)
        if size_bytes <= most_bytes:
            most_bytes -= size_bytes
            continue
        left_out += len(example.media)
        example.media[:] = [
            replace(each, uri="", note=f"{each.kind} left out: the page would be too large")
            for each in example.media
        ]
    return left_out, most_bytes
