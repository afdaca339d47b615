"""The tables of docs/dense.md are those of their results: `python -m tests.tasks.dense.test_docs`."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from tests.test_readme import RESULTS, ROOT, parts

DOCUMENT = ROOT / "docs" / "dense.md"
UNITS = {"segmentation": "mIoU, %", "depth": "RMSE, m", "normals": "degrees", "edges": "odsF, %",
         "reshading": "L1"}  # fmt: skip
BETTER = {True: "higher", False: "lower"}


def read(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / name).read_text())


def systems() -> str:
    """Systems by tasks, with intervals; delta_m last."""
    table = read("scenes-cpu.json")["table"]
    heads = [
        f"{column['name']}, {UNITS[column['name']]}, {BETTER[column['higher_is_better']]} is better"
        for column in table["columns"]
    ]
    names = [column["name"] for column in table["columns"]]
    rows = [
        [row["system"], *(shown(row["tasks"][name]) for name in names), shown(row["delta_m"], 1)]
        for row in table["rows"]
    ]
    return lines(["", *heads, "delta_m, %"], rows)


def shown(cell: Mapping[str, float | None], digits: int | None = None) -> str:
    """A value with its interval, to three digits or to places behind the point."""
    form = "#.3g" if digits is None else f".{digits}f"
    if cell["value"] is None:
        return "-"
    return f"{cell['value']:{form}} [{cell['low']:{form}}, {cell['high']:{form}}]"


def information() -> str:
    """I(T; E) of each system: mean over layers and seeds, then the least and the most of them."""
    rows = []
    for name, by_mass in read("scenes-cpu.json")["information"].items():
        if not any(by_mass["chosen"]):
            continue  # it has no experts
        cells = []
        for mass in ("probability", "chosen"):
            found = [nats for seed in by_mass[mass] for nats in seed.values()]
            cells.append(f"{fmean(found):.2f} ({min(found):.2f} to {max(found):.2f})")
        rows.append([name, *cells])
    return lines(["", "of the gates' probabilities, nats", "of what is chosen, nats"], rows)


def cuts() -> str:
    """What is kept and lost at each threshold, by task: means over seeds."""
    found = read("cuts-cpu.json")["cuts"]
    rows = []
    for task in UNITS:
        seeds = [seed["tasks"][task]["points"] for seed in found]
        rows.append([task, *(kept(points) for points in zip(*seeds, strict=True))])
    thresholds = read("cuts-cpu.json")["thresholds"]
    return lines(["", *(f"threshold {each:g}" for each in thresholds)], rows)


def kept(points: Iterable[Mapping[str, float]]) -> str:
    """The share of parameters, and by how many points the score is worse, of a few seeds."""
    points = list(points)
    worst = max(point["points_worse"] for point in points)
    return f"{fmean(point['share'] for point in points):.0%}, {worst:+.2f}"


def lines(head: list[str], rows: list[list[str]]) -> str:
    """A table of markdown."""
    ruled = ["---", *["---:"] * (len(head) - 1)]
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ruled, *rows))


TABLES: dict[str, Callable[[], str]] = {
    "systems": systems,
    "information": information,
    "cuts": cuts,
}


def marks(name: str) -> tuple[str, str]:
    return (
        f"<!-- {name}: made by `python -m tests.tasks.dense.test_docs` -->\n",
        f"<!-- end of {name} -->",
    )


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_those_of_their_results(name: str) -> None:
    assert parts(DOCUMENT, marks(name))[1] == TABLES[name](), (
        "run: python -m tests.tasks.dense.test_docs"
    )


if __name__ == "__main__":
    for name, made in TABLES.items():
        before, _, after = parts(DOCUMENT, marks(name))
        Path(DOCUMENT).write_text(before + made() + after)
