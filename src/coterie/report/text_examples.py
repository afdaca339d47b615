"""Sample answers, right and wrong alike, drawn by a seed and shown with their pictures."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coterie.report.correctness import Grader, find_samples, get_answers
from coterie.report.embedded_media import EmbeddedMedia, embed_media
from coterie.report.run_files import MissingData, RunFiles
from coterie.report.scores import TRAINED, get_task_entries
from coterie.report.systems import ReportSystem

SEED = 0
MAX_EXAMPLES = 48
MAX_ANSWERS = 4
MAX_CHARACTERS = 300


@dataclass(frozen=True, kw_only=True)
class SystemAnswer:
    """What a system answered, and how that was marked."""

    system: ReportSystem
    text: str
    mark: str
    is_right: bool


@dataclass(frozen=True, kw_only=True)
class AnswerExample:
    """One sample: what was asked with which media, what was wanted, what was answered."""

    source: str
    question: str
    accepted_answers: str
    media: tuple[EmbeddedMedia, ...]
    answers: tuple[SystemAnswer, ...]


@dataclass(frozen=True, kw_only=True)
class ExampleSection:
    """A task's cards; `rule` says what right and wrong mean here."""

    task: str
    rule: str
    examples: tuple[AnswerExample, ...]


@dataclass(frozen=True, kw_only=True)
class AnswersSection:
    """All sheets."""

    highlighted_system: ReportSystem
    sections: tuple[ExampleSection, ...]
    missing: tuple[MissingData, ...]


@dataclass(frozen=True, kw_only=True)
class TaskAnswers:
    """A task as a run was asked it: the rows of its predictions, and how they are marked."""

    run: RunFiles
    task: str
    split: str
    rows: Sequence[Mapping[str, Any]]
    grader: Grader

    @classmethod
    def from_run(cls, run: RunFiles, task: str) -> "TaskAnswers":
        """What a run's files say."""
        split = str(run.read_mapping(TRAINED).get("split", "test"))
        rows = [row for row in run.read_predictions(split, task) if "prediction" in row]
        grader = Grader.from_predictions(get_task_entries(run, TRAINED).get(task, {}), rows)
        return cls(run=run, task=task, split=split, rows=rows, grader=grader)

    def index_by_source(self) -> dict[str, Mapping[str, Any]]:
        """The rows by where they stand in the data; the folder is left out."""
        return {get_sample_key(row): row for row in self.rows}


def build_answers_section(
    found: Sequence[ReportSystem], highlighted: ReportSystem
) -> AnswersSection:
    """As many right as wrong answers of `subject`, with what others said to the same samples.

    Of a system with several runs, the first that has the task speaks.
    """
    runs = [run for run in highlighted.runs if not run.is_dense]  # whose answers are `examples`
    names = list(dict.fromkeys(task for run in runs for task in get_task_entries(run, TRAINED)))
    each = max(1, min(2, MAX_EXAMPLES // (2 * max(len(names), 1))))
    sheets, gaps = [], []
    for task in names:
        asked = TaskAnswers.from_run(find_first_run(highlighted, task), task)
        if asked.rows:
            others = {
                s: TaskAnswers.from_run(find_first_run(s, task), task) for s in found[:MAX_ANSWERS]
            }
            made, missing = build_example_section(asked, others | {highlighted: asked}, each)
            sheets.append(made)
            gaps += missing
        else:
            name = f"predictions/{asked.split}/{task}.jsonl"
            gaps.append(
                asked.run.make_missing(f"No answers to {task}", name, "coterie evaluate {}")
            )
    return AnswersSection(
        highlighted_system=highlighted, sections=tuple(sheets), missing=tuple(dict.fromkeys(gaps))
    )


def find_first_run(system: ReportSystem, task: str) -> RunFiles:
    """The system's first run that was evaluated on the task, else its first."""
    having = (run for run in system.runs if task in get_task_entries(run, TRAINED))
    return next(having, system.runs[0])


def build_example_section(
    asked: TaskAnswers, others: Mapping[ReportSystem, TaskAnswers], each: int
) -> tuple[ExampleSection, tuple[MissingData, ...]]:
    """A task's cards, right and wrong in turn."""
    places = pick_examples(asked, each)
    gaps: tuple[MissingData, ...] = ()
    try:
        wanted = {place: str(asked.rows[place].get("source")) for place in places}
        media = find_samples(asked.run, asked.task, asked.split, wanted)
    except (ValueError, OSError) as error:
        media = {}
        gaps = (MissingData(message=f"Pictures and sounds cannot be shown: {error}"),)
    said = {system: other.index_by_source() for system, other in others.items()}
    cards = tuple(build_example(asked.rows[place], media, others, said) for place in places)
    return ExampleSection(task=asked.task, rule=asked.grader.rule, examples=cards), gaps


def pick_examples(asked: TaskAnswers, each: int) -> list[int]:
    """Places of `each` right and `each` wrong rows in turn; one kind fills up for the other."""
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
    """A sample with the answers of all systems that were asked it."""
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
        media=tuple(embed_media(each) for each in sample.media()) if sample is not None else (),
        answers=tuple(found),
    )


def get_sample_key(row: Mapping[str, Any]) -> str:
    """Which sample a row is of: runs may come from machines with other folders."""
    return Path(str(row.get("source", ""))).name


def truncate(text: str) -> str:
    """At most MOST_CHARACTERS, and how many more there are."""
    if len(text) <= MAX_CHARACTERS:
        return text
    return f"{text[:MAX_CHARACTERS]} ... ({len(text) - MAX_CHARACTERS} more characters)"
