"""The data card: what the built pantry holds, counted from its files."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from coterie.io import write
from coterie_demo.pantry.tasks.base import PantryTask

Rows = list[dict[str, Any]]


def write_card(folder: Path, made: Mapping[PantryTask, Iterable[str]]) -> None:
    """Writes `card.json` and `CARD.md` into the folder of a built pantry."""
    card = {task.name: describe(folder, task, tuple(splits)) for task, splits in made.items()}
    write(folder / "card.json", json.dumps(card, indent=1, ensure_ascii=False))
    write(folder / "CARD.md", to_markdown(card))


def describe(folder: Path, task: PantryTask, splits: tuple[str, ...]) -> dict[str, Any]:
    """One task of the card."""
    rows = {split: read_rows(folder / task.name / f"{split}.jsonl") for split in splits}
    media = {
        split: list_media(rows[split], folder / task.name, task.modalities) for split in splits
    }
    distinct = set().union(*media.values())
    return {
        "about": task.description,
        "modalities": list(task.modalities),
        "metric": task.metric,
        "rows": {split: len(rows[split]) for split in splits},
        "media": {split: len(media[split]) for split in splits},
        "media_bytes": sum(file.stat().st_size for file in distinct),
        "answers": len({get_first_answer(row) for row in rows["train"]}),
        "baselines": {
            split: compute_baselines(rows["train"], rows[split], task.metric)
            for split in splits
            if split != "train"
        },
        "held_out": task.held_out,
        "sources": [
            {"name": s.name, "licence": s.licence, "fetched": s.fetched} for s in task.sources
        ],
        "example": format_example(rows["test"]),
    }


def read_rows(file: Path) -> Rows:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def list_media(rows: Rows, folder: Path, modalities: Iterable[str]) -> set[Path]:
    """The distinct files that the rows name; a video is a list of them."""
    named = [row[key] for row in rows for key in modalities if key in row]
    files = [file for each in named for file in ([each] if isinstance(each, str) else each)]
    return {(folder / file).resolve() for file in files}


def get_answers(row: Mapping[str, Any]) -> list[str]:
    return row["answer"] if isinstance(row["answer"], list) else [row["answer"]]


def get_first_answer(row: Mapping[str, Any]) -> str:
    return get_answers(row)[0]


def format_example(rows: Rows) -> dict[str, Any] | None:
    return {key: rows[0][key] for key in ("question", "answer")} if rows else None


def compute_baselines(train: Rows, rows: Rows, metric: Any) -> dict[str, float] | None:
    """What can be had without looking, in the metric's own unit (percent): None for no rows.

    `chance` draws one of the answers that training has for the question, each as likely, or of
    the choices that the question offers; `constant` gives the best single answer that training
    has for it, the most frequent one or the median of numbers, or always the first choice.
    """
    if not rows:
        return None
    known: dict[str, list[str]] = defaultdict(list)
    for row in train:
        known[row["question"]].append(get_first_answer(row))
    everything = [answer for answers in known.values() for answer in answers]
    score = SCORES[metric["name"] if isinstance(metric, dict) else metric]
    chance, constant = [], []
    for row in rows:
        seen = row.get("choices") or known.get(row["question"], everything)
        options = sorted(set(seen))
        chance.append(sum(score(option, row, metric) for option in options) / len(options))
        one = seen[0] if "choices" in row else find_best_constant_answer(seen, metric)
        constant.append(score(one, row, metric))
    return {
        "chance": round(100 * sum(chance) / len(rows), 1),
        "constant": round(100 * sum(constant) / len(rows), 1),
    }


def find_best_constant_answer(answers: list[str], metric: Any) -> str:
    """The best answer that does not look: the median of numbers, or the most frequent answer."""
    if isinstance(metric, dict):
        return str(median(map(float, answers)))
    counts = Counter(answers)
    return min(counts, key=lambda answer: (-counts[answer], answer))


def is_answer(given: str, row: Mapping[str, Any], metric: Any) -> float:
    return float(given in get_answers(row))


def is_near(given: str, row: Mapping[str, Any], metric: Any) -> float:
    right = float(get_first_answer(row))
    return float(abs(float(given) - right) <= metric["tolerance"] * abs(right))


def count_letter_errors(given: str, row: Mapping[str, Any], metric: Any) -> float:
    """Edits over letters, of one word: words are about equally long, so their mean will do."""
    right = get_first_answer(row)
    before = list(range(len(given) + 1))
    for i, letter in enumerate(right, start=1):
        now = [i]
        for j, other in enumerate(given, start=1):
            now.append(min(before[j] + 1, now[-1] + 1, before[j - 1] + (letter != other)))
        before = now
    return before[-1] / len(right)


SCORES = {"exact": is_answer, "numeric": is_near, "character_error_rate": count_letter_errors}


def to_markdown(card: Mapping[str, Mapping[str, Any]]) -> str:
    """The card as a page."""
    lines = [
        "# Pantry: the embedded data set",
        "",
        "Counted from the files by `coterie_demo.pantry.data_card`. *Chance* draws one of the",
        "answers that training has for a question; *constant* gives the best single answer to it,",
        "or the first choice where the question offers some. Neither looks at a picture or",
        "listens. Both are on the test split, in percent; for `character_error_rate`, lower is",
        "better.",
        "",
        "| task | input | rows: train / validation / test / more | media files | MB | metric "
        "| answers | chance | constant |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [format_table_line(name, task) for name, task in card.items()]
    for name, task in card.items():
        lines += ["", f"## {name}", "", *describe_task(task)]
    return "\n".join(lines) + "\n"


def format_table_line(name: str, task: Mapping[str, Any]) -> str:
    base = task["baselines"]["test"] or {"chance": "-", "constant": "-"}
    cells = [
        name,
        " + ".join(task["modalities"]),
        " / ".join(map(str, task["rows"].values())),
        str(sum(task["media"].values())),
        f"{task['media_bytes'] / 1e6:.1f}",
        f"`{format_metric(task['metric'])}`",
        str(task["answers"]),
        str(base["chance"]),
        str(base["constant"]),
    ]
    return f"| {' | '.join(cells)} |"


def format_metric(metric: Any) -> str:
    if isinstance(metric, str):
        return metric
    rest = ", ".join(f"{key}={value}" for key, value in metric.items() if key != "name")
    return f"{metric['name']}({rest})"


def describe_task(task: Mapping[str, Any]) -> list[str]:
    """What the table does not say of a task."""
    question = task["example"] or {"question": "-", "answer": "-"}
    lines = [
        f'- What: {task["about"]}. For example: "{question["question"]}" '
        f"{json.dumps(question['answer'], ensure_ascii=False)}",
        f"- Test: {task['held_out']}.",
        f"- Rows: {', '.join(f'{split} {count}' for split, count in task['rows'].items())}.",
    ]
    more = {s: b for s, b in task["baselines"].items() if s not in ("validation", "test") and b}
    for split, base in more.items():
        lines.append(f"- On `{split}`: chance {base['chance']}, constant {base['constant']}.")
    for source in task["sources"]:
        where = "fetched by you" if source["fetched"] else "comes with coterie"
        lines.append(f"- Source: {source['name']}; {source['licence']}; {where}.")
    return lines
