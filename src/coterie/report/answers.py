"""Sample answers, right and wrong alike, drawn by a seed and shown with their pictures."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coterie.report.folder import Folder, Gap
from coterie.report.grading import Grader, wanted_of
from coterie.report.media import Shown, shown
from coterie.report.rows import samples
from coterie.report.scores import TRAINED, tasks
from coterie.report.systems import System

SEED = 0
MOST_CARDS = 48
MOST_ANSWERS = 4
MOST_CHARACTERS = 300


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a system answered, and how that was marked."""

    system: System
    text: str
    mark: str
    is_right: bool


@dataclass(frozen=True, kw_only=True)
class Card:
    """One sample: what was asked with which media, what was wanted, what was answered."""

    source: str
    question: str
    wanted: str
    media: tuple[Shown, ...]
    answers: tuple[Answer, ...]


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A task's cards; `rule` says what right and wrong mean here."""

    task: str
    rule: str
    cards: tuple[Card, ...]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """All sheets."""

    subject: System
    sheets: tuple[Sheet, ...]
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A task as a run was asked it: the rows of its predictions, and how they are marked."""

    run: Folder
    task: str
    split: str
    rows: Sequence[Mapping[str, Any]]
    grader: Grader

    @classmethod
    def of(cls, run: Folder, task: str) -> "Asked":
        """What a run's files say."""
        split = str(run.mapping(TRAINED).get("split", "test"))
        rows = [row for row in run.predictions(split, task) if "prediction" in row]
        grader = Grader.of(tasks(run, TRAINED).get(task, {}), rows)
        return cls(run=run, task=task, split=split, rows=rows, grader=grader)

    def by_source(self) -> dict[str, Mapping[str, Any]]:
        """The rows by where they stand in the data; the folder is left out."""
        return {name_of(row): row for row in self.rows}


def answers(found: Sequence[System], subject: System) -> Answers:
    """As many right as wrong answers of `subject`, with what others said to the same samples.

    Of a system with several runs, the first that has the task speaks.
    """
    runs = [run for run in subject.runs if not run.on_pictures]  # whose answers are `examples`
    names = list(dict.fromkeys(task for run in runs for task in tasks(run, TRAINED)))
    each = max(1, min(2, MOST_CARDS // (2 * max(len(names), 1))))
    sheets, gaps = [], []
    for task in names:
        asked = Asked.of(first_with(subject, task), task)
        if asked.rows:
            others = {s: Asked.of(first_with(s, task), task) for s in found[:MOST_ANSWERS]}
            made, missing = sheet(asked, others | {subject: asked}, each)
            sheets.append(made)
            gaps += missing
        else:
            name = f"predictions/{asked.split}/{task}.jsonl"
            gaps.append(asked.run.gap(f"No answers to {task}", name, "coterie evaluate {}"))
    return Answers(subject=subject, sheets=tuple(sheets), gaps=tuple(dict.fromkeys(gaps)))


def first_with(system: System, task: str) -> Folder:
    """The system's first run that was evaluated on the task, else its first."""
    having = (run for run in system.runs if task in tasks(run, TRAINED))
    return next(having, system.runs[0])


def sheet(asked: Asked, others: Mapping[System, Asked], each: int) -> tuple[Sheet, tuple[Gap, ...]]:
    """A task's cards, right and wrong in turn."""
    places = drawn(asked, each)
    gaps: tuple[Gap, ...] = ()
    try:
        wanted = {place: str(asked.rows[place].get("source")) for place in places}
        media = samples(asked.run, asked.task, asked.split, wanted)
    except (ValueError, OSError) as error:
        media = {}
        gaps = (Gap(what=f"Pictures and sounds cannot be shown: {error}"),)
    said = {system: other.by_source() for system, other in others.items()}
    cards = tuple(card(asked.rows[place], media, others, said) for place in places)
    return Sheet(task=asked.task, rule=asked.grader.rule, cards=cards), gaps


def drawn(asked: Asked, each: int) -> list[int]:
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


def card(
    row: Mapping[str, Any],
    media: Mapping[str, Any],
    asked: Mapping[System, Asked],
    said: Mapping[System, Mapping[str, Mapping[str, Any]]],
) -> Card:
    """A sample with the answers of all systems that were asked it."""
    found = []
    for system, rows in said.items():
        other = rows.get(name_of(row))
        if other is not None and other.get("question") == row.get("question"):
            grader = asked[system].grader
            found.append(
                Answer(
                    system=system,
                    text=cut(str(other.get("prediction", ""))),
                    mark=grader.mark(other),
                    is_right=grader.is_right(other),
                )
            )
    sample = media.get(str(row.get("source")))
    return Card(
        source=str(row.get("source", "")),
        question=cut(str(row.get("question", ""))),
        wanted=cut(" | ".join(map(str, wanted_of(row)))),
        media=tuple(shown(each) for each in sample.media()) if sample is not None else (),
        answers=tuple(found),
    )


def name_of(row: Mapping[str, Any]) -> str:
    """Which sample a row is of: runs may come from machines with other folders."""
    return Path(str(row.get("source", ""))).name


def cut(text: str) -> str:
    """At most MOST_CHARACTERS, and how many more there are."""
    if len(text) <= MOST_CHARACTERS:
        return text
    return f"{text[:MOST_CHARACTERS]} ... ({len(text) - MOST_CHARACTERS} more characters)"
