"""Predictions that are text: right and wrong ones, sampled by a fixed seed, with their media."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from coterie.report.correctness import Grader, find_samples, get_answers
from coterie.report.embedded_media import EmbeddedMedia, embed_media
from coterie.report.run_files import RunFiles
from coterie.report.systems import ReportSystem
from coterie.train.run_directory import MissingFile

SEED = 0
MAX_EXAMPLES = 48
MAX_ANSWERS = 4
MAX_CHARACTERS = 300


@dataclass(frozen=True, kw_only=True)
class SystemAnswer:
    """A system's answer, and its mark."""

    system: ReportSystem
    text: str
    mark: str
    is_right: bool


@dataclass(frozen=True, kw_only=True)
class AnswerExample:
    """One sample: question, media, accepted answers, and each system's answer."""

    source: str
    question: str
    accepted_answers: str
    media: tuple[EmbeddedMedia, ...]
    answers: tuple[SystemAnswer, ...]


@dataclass(frozen=True, kw_only=True)
class ExampleSection:
    """A task's examples; `rule` says what right and wrong mean here."""

    task: str
    rule: str
    examples: tuple[AnswerExample, ...]


@dataclass(frozen=True, kw_only=True)
class AnswersSection:
    """The examples of all tasks."""

    highlighted_system: ReportSystem
    sections: tuple[ExampleSection, ...]
    missing: tuple[MissingFile, ...]


@dataclass(frozen=True, kw_only=True)
class TaskAnswers:
    """A run's predictions of a task, and how they are marked."""

    run: RunFiles
    task: str
    rows: Sequence[Mapping[str, Any]]
    grader: Grader

    @classmethod
    def from_run(cls, run: RunFiles, task: str) -> "TaskAnswers":
        """Read a run's predictions."""
        rows = [row for row in run.read_predictions(task) if "prediction" in row]
        grader = Grader.from_predictions(run.score_entries.get(task, {}), rows)
        return cls(run=run, task=task, rows=rows, grader=grader)

    def index_by_source(self) -> dict[str, Mapping[str, Any]]:
        """Return the rows by their source, without the folder."""
        return {get_sample_key(row): row for row in self.rows}


def build_answers_section(
    systems: Sequence[ReportSystem], highlighted: ReportSystem
) -> AnswersSection:
    """Build as many right as wrong answers of a system, with the others' to the same samples.

    Of a system with several runs, the first that has the task is shown. Tasks whose predictions
    hold no text are left out.
    """
    runs = [run for run in highlighted.runs if run.has_text_predictions]
    names = list(dict.fromkeys(task for run in runs for task in run.score_entries))
    each = max(1, min(2, MAX_EXAMPLES // (2 * max(len(names), 1))))
    sheets: list[ExampleSection] = []
    missing: list[MissingFile] = []
    for task in names:
        asked = TaskAnswers.from_run(highlighted.find_run(task), task)
        if asked.rows:
            others = {
                s: TaskAnswers.from_run(s.find_run(task), task) for s in systems[:MAX_ANSWERS]
            }
            section, gaps = build_example_section(asked, others | {highlighted: asked}, each)
            sheets.append(section)
            missing += gaps
        else:
            missing.append(explain_missing_answers(asked.run, task))
    return AnswersSection(
        highlighted_system=highlighted,
        sections=tuple(sheets),
        missing=tuple(dict.fromkeys(missing)),
    )


def explain_missing_answers(run: RunFiles, task: str) -> MissingFile:
    """Say why there are no answers to a task, whose name comes from a file."""
    try:
        file = run.directory.predictions_file(run.split, task)
    except ValueError as error:
        return MissingFile(f"No answers to {task}: {error}")
    return run.explain(file, f"No answers to {task}")


def build_example_section(
    asked: TaskAnswers, others: Mapping[ReportSystem, TaskAnswers], each: int
) -> tuple[ExampleSection, tuple[MissingFile, ...]]:
    """Build a task's examples, right and wrong in turn."""
    places = pick_examples(asked, each)
    gaps: tuple[MissingFile, ...] = ()
    try:
        wanted = {place: str(asked.rows[place].get("source")) for place in places}
        media = find_samples(asked.run, asked.task, wanted)
    except (ValueError, OSError) as error:
        media = {}
        gaps = (MissingFile(f"Pictures and sounds cannot be shown: {error}"),)
    said = {system: other.index_by_source() for system, other in others.items()}
    cards = tuple(build_example(asked.rows[place], media, others, said) for place in places)
    return ExampleSection(task=asked.task, rule=asked.grader.rule, examples=cards), gaps


def pick_examples(asked: TaskAnswers, each: int) -> list[int]:
    """Return indices of `each` right and `each` wrong rows in turn; one kind fills up the other."""
    kinds: tuple[list[int], list[int]] = ([], [])
    for place, row in enumerate(asked.rows):
        kinds[0 if asked.grader.is_right(row) else 1].append(place)
    chance = random.Random(f"{SEED} {asked.task}")
    right, wrong = (chance.sample(kind, len(kind)) for kind in kinds)
    count = min(2 * each, len(asked.rows))
    of_wrong = min(len(wrong), max(count // 2, count - len(right)))
    right, wrong = right[: count - of_wrong], wrong[:of_wrong]
    turns = [place for pair in zip(right, wrong, strict=False) for place in pair]
    short = min(len(right), len(wrong))
    return turns + right[short:] + wrong[short:]


def build_example(
    row: Mapping[str, Any],
    media: Mapping[str, Any],
    asked: Mapping[ReportSystem, TaskAnswers],
    said: Mapping[ReportSystem, Mapping[str, Mapping[str, Any]]],
) -> AnswerExample:
    """Build a sample with the answers of all systems that have the same question."""
    found = []
    for system, rows in said.items():
        other = rows.get(get_sample_key(row))
        if other is not None and other.get("question") == row.get("question"):
            grader = asked[system].grader
            found.append(
                SystemAnswer(
                    system=system,
                    text=truncate(str(other.get("prediction", ""))),
                    mark=grader.format_mark(other),
                    is_right=grader.is_right(other),
                )
            )
    sample = media.get(str(row.get("source")))
    return AnswerExample(
        source=str(row.get("source", "")),
        question=truncate(str(row.get("question", ""))),
        accepted_answers=truncate(" | ".join(map(str, get_answers(row)))),
        media=tuple(embed_media(each) for each in sample.get_media()) if sample is not None else (),
        answers=tuple(found),
    )


def get_sample_key(row: Mapping[str, Any]) -> str:
    """Return a row's source without its folder: runs may come from several machines."""
    return Path(str(row.get("source", ""))).name


def truncate(text: str) -> str:
    """Cut a text to MAX_CHARACTERS, and say how many more there are."""
    if len(text) <= MAX_CHARACTERS:
        return text
    return f"{text[:MAX_CHARACTERS]} ... ({len(text) - MAX_CHARACTERS} more characters)"


def limit_media(answers: AnswersSection, take: Callable[[int], bool]) -> tuple[AnswersSection, int]:
    """Return the answers with the media that fit, and the number of images and sounds that do not.

    Each task's first example comes before any task's second.

    Args:
        answers: with all media.
        take: reserves bytes; False if they do not fit.
    """
    rounds = zip_longest(*(sheet.examples for sheet in answers.sections))
    media: dict[int, tuple[EmbeddedMedia, ...]] = {}
    left_out = 0
    for example in (each for examples in rounds for each in examples if each is not None):
        if take(sum(len(each.uri) for each in example.media)):
            media[id(example)] = example.media
        else:
            left_out += len(example.media)
            media[id(example)] = tuple(
                replace(each, uri="", note=f"{each.kind} left out: the page would be too large")
                for each in example.media
            )
    sections = tuple(
        replace(
            sheet, examples=tuple(replace(each, media=media[id(each)]) for each in sheet.examples)
        )
        for sheet in answers.sections
    )
    return replace(answers, sections=sections), left_out
