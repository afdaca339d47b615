"""Short captions of pantry's images, audio and sounds, on which the connectors are trained."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from coterie.data.sample import MediaFile, Message, TextSample

Row = Mapping[str, Any]


def captions(pantry: Path, split: str) -> dict[str, list[TextSample]]:
    """Return content -> a sample for each image or audio of a split: the file, and its caption.

    No task's question is in them, so that a model trained on them was not trained on the task.
    A split that a task lacks is skipped.
    """
    found: dict[str, list[TextSample]] = {}
    seen: set[Path] = set()
    for (task, kind), words in WORDS.items():
        name = f"{task} {kind}"
        groups = by_medium(pantry / task / f"{split}.jsonl", kind)
        samples = [
            TextSample(
                task=name,
                messages=(Message(role="user", parts=(MediaFile(kind=kind, path=at),)),),
                answers=(words(rows),),
                source=at.name,
            )
            for at, rows in groups.items()
            if at not in seen  # some tasks share images
        ]
        seen |= groups.keys()
        if samples:
            found[name] = samples
    return found


def by_medium(file: Path, kind: str) -> dict[Path, list[Row]]:
    """Return the rows that share an image or audio, by its file."""
    groups: dict[Path, list[Row]] = defaultdict(list)
    if file.is_file():
        for row in map(json.loads, file.read_text(encoding="utf-8").splitlines()):
            groups[(file.parent / row[kind]).resolve()].append(row)
    return groups


def answered(rows: Sequence[Row]) -> str:
    answer = rows[0]["answer"]
    return answer if isinstance(answer, str) else answer[0]


def counted(rows: Sequence[Row]) -> str:
    return " and ".join(f"{row['answer']} {row['concept']}" for row in rows)


def charted(rows: Sequence[Row]) -> str:
    """Return a caption such as "highest red, lowest blue, red 40"."""
    said = []
    for row in rows:
        which = row["question"].removesuffix("?").removesuffix(", to tens").split()[-1]
        said.append(f"{which} {row['answer']}")
    return ", ".join(said)


def pictured(rows: Sequence[Row]) -> str:
    """Return a caption such as "3 peach on red", with the facts that questions ask for."""
    told = {"many": "", "colour": ""}
    for row in rows:
        for word in told:
            if word in row["said"].lower():
                told[word] = row["answer"]
    ground = f"on {told['colour']}" if told["colour"] else ""
    return " ".join(filter(None, (told["many"], rows[0]["concept"], ground)))


def said(rows: Sequence[Row]) -> str:
    return rows[0]["said"]


def played(rows: Sequence[Row]) -> str:
    """Return a caption such as "3 flute"."""
    return f"{rows[0]['answer']} {rows[0]['instrument']}"


def recorded(rows: Sequence[Row]) -> str:
    return rows[0]["thing"].replace("_", " ").lower()


def food(rows: Sequence[Row]) -> str:
    return rows[0]["food"].lower()


WORDS: Mapping[tuple[str, Literal["image", "audio", "sound"]], Callable[[Sequence[Row]], str]] = {
    ("naming", "image"): answered,
    ("counting", "image"): counted,
    ("chart", "image"): charted,
    ("spoken_question", "image"): pictured,
    ("food_group", "image"): food,
    ("nutrition", "image"): food,
    ("energy", "image"): food,
    ("spoken", "audio"): answered,
    ("spoken_question", "audio"): said,
    ("drums", "sound"): answered,
    ("instrument", "sound"): answered,
    ("note_count", "sound"): played,
    ("sound_kind", "sound"): recorded,
}
