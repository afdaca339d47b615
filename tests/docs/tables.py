"""Tables of README and docs from the files in benchmarks/results: `python -m tests.docs.tables`.

A table stands between `<!-- NAME: made by ... -->` and `<!-- end of NAME -->`.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
README, PAGE = ROOT / "README.md", ROOT / "docs" / "results.md"
COMPOSE = ROOT / "docs" / "guides" / "compose.md"
CONCEPTS = ROOT / "docs" / "concepts.md"
GROW = ROOT / "docs" / "guides" / "grow.md"
FORGETTING = ROOT / "docs" / "guides" / "forgetting.md"
RETRIEVAL = ROOT / "docs" / "guides" / "retrieval.md"
AWAKER = ROOT / "docs" / "recipes" / "awaker.md"
DENSE_GUIDE = ROOT / "docs" / "guides" / "dense.md"
UNI_MOE = ROOT / "docs" / "recipes" / "uni-moe.md"
UNITS = {"segmentation": "mIoU, %", "depth": "RMSE, m", "normals": "degrees", "edges": "odsF, %",
         "reshading": "L1"}  # fmt: skip
BETTER = {True: "higher", False: "lower"}
NEW_NAMES = {"mole": "soft_lora"}
"""Recipes that had another name when they were measured."""

Table = Mapping[str, Any]


def read(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / name).read_text())


def name_of(row: Table) -> str:
    """The system of a row, by the name that its recipe has today."""
    first, comma, rest = row["system"].partition(",")
    return NEW_NAMES.get(first, first) + comma + rest


def found() -> str:
    """delta_m of a shared model and of mixtures, in three settings."""
    regimes = read("conflict-cpu.json")["regimes"]
    settings = {
        "4 tasks, one prompt for all": regimes["unasked"]["table"],
        "8 tasks, each with its own prompt": regimes["asked"]["table"],
        "5 dense tasks, rendered scenes": read("scenes-cpu.json")["table"],
    }
    lines = {
        "one model for all tasks": ("shared_lora", "shared_lora", "dense"),
        "mixture, the gate reads tokens": ("soft_lora", "soft_lora", None),
        "mixture, the gate knows the task": ("moelora", "moelora", "mod_squad"),
    }
    rows = []
    for label, names in lines.items():
        cells = [delta_m(*pair) for pair in zip(settings.values(), names, strict=True)]
        rows.append([label, *cells])
    return markdown(["delta_m, %", *settings], rows)


def delta_m(table: Table, system: str | None) -> str:
    """delta_m of a system with its interval and its recipe's name."""
    if system is None:
        return "-"
    (row,) = [row for row in table["rows"] if name_of(row) == system]
    return f"{shown(row['delta_m'], 0)} `{system}`"


def demo() -> str:
    """The scores of `make demo`."""
    return scores(read("demo-cpu.json")["table"])


def regime(name: str) -> str:
    """The scores of a regime of `make experiment`."""
    return scores(read("conflict-cpu.json")["regimes"][name]["table"])


def habits(name: str) -> str:
    """The scores of a regime of `experiments.habits`."""
    return scores(read("habits-cuda.json")["regimes"][name]["table"])


def one_prompt() -> str:
    """The scores of `experiments.one_prompt`."""
    return scores(read("one-prompt-cpu.json")["table"])


def composed() -> str:
    """The scores of `experiments.compose`."""
    return scores(read("compose-cpu.json")["table"])


def composed_differences() -> str:
    """What the systems of `experiments.compose` score more than the composition with 1 and 1."""
    table = read("compose-cpu.json")["table"]
    names = [column["name"] for column in table["columns"]]
    rows = [
        [row["system"], *(cell(row["difference"][name]) for name in names)]
        for row in table["rows"][1:]
    ]
    return markdown(["% minus 1 and 1", *names], rows)


def grown() -> str:
    """The scores of `experiments.grow`: means over seeds, with the least and the most."""
    runs = read("grow-cpu.json")["runs"]
    names = list(runs[0]["scores"]["grown"])
    systems = {
        "old": "the run on pictures",
        "grown": "it, grown by speech",
        "no_gate": "the same without the gate: the sum of all experts",
        "no_bridge": "grown by a LoRA that does not use the old one",
        "sequential": "one LoRA, trained on pictures and then on speech",
        "alone": "a LoRA of the tasks on speech alone",
    }
    rows = {label: [run["scores"][name] for run in runs] for name, label in systems.items()}
    rows["the grown run without pictures and sounds"] = [run["blind"] for run in runs]
    return markdown(
        ["%", *names],
        [[label, *(spread(seeds, name) for name in names)] for label, seeds in rows.items()],
    )


def spread(seeds: Sequence[Mapping[str, Any]], name: str) -> str:
    """The mean of a task's scores over seeds, the least and the most."""
    values = [each[name]["score"] for each in seeds if name in each]
    if not values:
        return "-"
    return f"{fmean(values):.0f} ({min(values):.0f} to {max(values):.0f})"


def routing_losses() -> str:
    """What `experiments.losses` measured: means over seeds, with the least and the most."""
    found = read("losses-cpu.json")
    systems = {row["system"]: row for row in found["table"]["rows"]}
    names = ("loss", "Decouple", "Predictive")
    rows = []
    for added, seeds in found["measured"].items():
        columns = [[each[name] for each in seeds] for name in names]
        scored = systems.get(added, found["table"]["rows"][0])["tasks"]
        rows.append([
            added,
            *(f"{fmean(x):.3g} ({min(x):.3g} to {max(x):.3g})" for x in columns),
            *(cell(scored[task]) for task in found["tasks"]),
        ])  # fmt: skip
    heads = ("loss of the test rows", "`Decouple`", "`Predictive`")
    return markdown(["added loss", *heads, *(f"{task}, %" for task in found["tasks"])], rows)


def sequences(name: str) -> str:
    """One system's scores after each step of `experiments.sequence`, and what it forgot."""
    table = read("sequence-cpu.json")["table"]
    (row,) = [row for row in table["rows"] if row["system"] == name]
    tasks = [column["name"] for column in table["columns"]]
    lines = [
        [", ".join(step["trained"]), *(cell(step["tasks"].get(task)) for task in tasks)]
        for step in row["steps"]
    ]
    lost = row["measures"]["forgetting"]["tasks"]
    lines.append(["forgotten", *(cell(lost.get(task)) for task in tasks)])
    return markdown([f"{name}: after", *tasks], lines)


def forgotten() -> str:
    """Means over tasks after the last step of `experiments.sequence`."""
    found = read("sequence-cpu.json")
    names = ("average", "learned", "forgetting", "forward_transfer")
    rows = [
        [
            row["system"],
            *(cell(row["measures"].get(name, {}).get("mean")) for name in names),
            f"{found['saved_parameters'][row['system']][-1] / 1e6:.2f}",
        ]
        for row in found["table"]["rows"]
    ]
    heads = ("average", "right after its step", "forgetting", "forward transfer")
    return markdown(["%", *heads, "M parameters saved by the last step"], rows)


def cell(value: Mapping[str, float | None] | None) -> str:
    return "-" if value is None else shown(value, 0)


def uni_moe() -> str:
    """The scores of `experiments.uni_moe`."""
    return scores(read("uni-moe-cpu.json")["table"])


def uni_moe_spreads() -> str:
    """Scores over a single-task model's by modality, and how evenly they are spread."""
    found = read("uni-moe-cpu.json")
    systems = {name: row for name, row in found["spreads"].items() if name != "left_out"}
    modalities = list(next(iter(systems.values()))["modalities"])
    rows = [
        [
            name,
            *(f"{row['modalities'][modality]:.2f}" for modality in modalities),
            *(interval(row[measure]) for measure in ("mean", "std", "range")),
        ]
        for name, row in systems.items()
    ]
    heads = ("mean", "standard deviation of the modalities", "range of the modalities")
    return markdown(["score / single-task score", *modalities, *heads], rows)


def interval(values: Sequence[float]) -> str:
    """A value and its interval, which are a list."""
    value, low, high = values
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


def retrieval() -> str:
    """R@k of the connectors of `experiments.retrieval`, in each direction."""
    rows, names = [], []
    for content, found in read("retrieval-cpu.json")["contents"].items():
        for system, each in found["systems"].items():
            names = list(each["scores"])
            size = f"{each['parameters'] / 1e6:.2f}"
            rows.append(
                [f"{content}, {system}", size, *(shown(each["scores"][n], 0) for n in names)]
            )
    return markdown(["%", "M parameters", *names], rows)


def tagged() -> str:
    """The scores of `experiments.tagged`, without what it varies of Awaker."""
    table = dict(read("tagged-cuda.json")["table"])
    table["rows"] = [row for row in table["rows"] if "," not in row["system"]]
    return scores(table)


def awaker_variants(file: str) -> str:
    """What differs from Awaker, and what the gates chose: means over seeds."""
    found = read(file)
    rows = [
        [
            row["system"],
            shown(row["delta_m"], 0),
            f"{fmean(gates['information']):.2f}",
            f"{fmean(gates['largest_share']):.0%}",
        ]
        for row in found["against_shared_lora"]["rows"]
        if (gates := found["gates"].get(row["system"]))
    ]
    heads = ("delta_m against the shared LoRA, %", "I(T; E), nats", "share of the most used expert")
    return markdown(["", *heads], rows)


def gate_inputs() -> str:
    """What a gate sees of a task, by the span that it averages."""
    names = ("cosine_other_question", "cosine_other_drawing", "variance_between_tasks")
    rows = [
        [f"`{span}`", *(f"{found[name]:.4f}" for name in names[:2]), f"{found[names[2]]:.1%}"]
        for span, found in read("gate-inputs.json")["spans"].items()
    ]
    heads = ("cosine, same drawing, other question", "cosine, other drawing, same question")
    return markdown(["span", *heads, "variance between tasks"], rows)


def scores(table: Table) -> str:
    """Systems by tasks, with intervals; delta_m last."""
    names = [column["name"] for column in table["columns"]]
    rows = [
        [name_of(row), *(shown(row["tasks"][name], 0) for name in names), shown(row["delta_m"], 0)]
        for row in table["rows"]
    ]
    return markdown(["%", *names, "delta_m"], rows)


def dense(file: str) -> str:
    """The scores of dense tasks, with each task's unit; delta_m last."""
    table = read(file)["table"]
    heads = [
        f"{column['name']}, {UNITS[column['name']]}, {BETTER[column['higher_is_better']]} is better"
        for column in table["columns"]
    ]
    names = [column["name"] for column in table["columns"]]
    rows = [
        [row["system"], *(shown(row["tasks"][name]) for name in names), shown(row["delta_m"], 1)]
        for row in table["rows"]
    ]
    return markdown(["", *heads, "delta_m, %"], rows)


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
            values = [nats for seed in by_mass[mass] for nats in seed.values()]
            cells.append(f"{fmean(values):.2f} ({min(values):.2f} to {max(values):.2f})")
        rows.append([name, *cells])
    return markdown(["", "of the gates' probabilities, nats", "of the chosen experts, nats"], rows)


def pruned() -> str:
    """What is kept and lost at each threshold, by task: means over seeds."""
    runs = read("cuts-cpu.json")["cuts"]
    rows = []
    for task in UNITS:
        seeds = [seed["tasks"][task]["points"] for seed in runs]
        rows.append([task, *(kept(points) for points in zip(*seeds, strict=True))])
    thresholds = read("cuts-cpu.json")["thresholds"]
    return markdown(["", *(f"threshold {each:g}" for each in thresholds)], rows)


def kept(points: Iterable[Mapping[str, float]]) -> str:
    """The share of parameters, and by how many points the score is worse, of a few seeds."""
    points = list(points)
    worst = max(point["points_worse"] for point in points)
    return f"{fmean(point['share'] for point in points):.0%}, {worst:+.2f}"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; all columns but the first are numbers."""
    ruled = ["---", *["---:"] * (len(head) - 1)]
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ruled, *rows))


TABLES: dict[tuple[Path, str], Callable[[], str]] = {
    (README, "found"): found,
    (PAGE, "demo"): demo,
    (PAGE, "asked"): partial(regime, "asked"),
    (PAGE, "unasked"): partial(regime, "unasked"),
    (PAGE, "habits_asked"): partial(habits, "asked"),
    (PAGE, "habits_unasked"): partial(habits, "unasked"),
    (PAGE, "one_prompt"): one_prompt,
    (PAGE, "tagged"): tagged,
    (COMPOSE, "composed"): composed,
    (COMPOSE, "composed_differences"): composed_differences,
    (GROW, "grown"): grown,
    (CONCEPTS, "routing_losses"): routing_losses,
    (FORGETTING, "sequence_sequential"): partial(sequences, "sequential"),
    (FORGETTING, "sequence_grown"): partial(sequences, "grown"),
    (FORGETTING, "forgotten"): forgotten,
    (UNI_MOE, "uni_moe"): uni_moe,
    (UNI_MOE, "uni_moe_spreads"): uni_moe_spreads,
    (RETRIEVAL, "retrieval"): retrieval,
    (AWAKER, "gate_inputs"): gate_inputs,
    (AWAKER, "awaker_variants"): partial(awaker_variants, "tagged-cuda.json"),
    (AWAKER, "awaker_information"): partial(awaker_variants, "tagged-cpu.json"),
    (PAGE, "dense"): partial(dense, "scenes-cpu.json"),
    (DENSE_GUIDE, "sensors"): partial(dense, "sensors-cpu.json"),
    (PAGE, "information"): information,
    (PAGE, "pruned"): pruned,
}


def parts(document: Path, name: str) -> tuple[str, str, str]:
    """The text before a table, the table as it stands, and the text after it."""
    start = re.escape(f"<!-- {name}: made by `python -m tests.docs.tables` -->\n")
    end = re.escape(f"<!-- end of {name} -->")
    match = re.fullmatch(f"(.*{start})(.*?)({end}.*)", document.read_text(), re.DOTALL)
    assert match is not None, f"{document} has no table {name!r}"
    return match[1], match[2], match[3]


if __name__ == "__main__":
    for (document, name), make in TABLES.items():
        before, _, after = parts(document, name)
        document.write_text(before + make() + after)
