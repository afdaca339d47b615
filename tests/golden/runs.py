"""Small runs of every recipe, and the numbers and texts that are recorded of them.

Everything goes through `import coterie` and through helpers of other tests. What could be renamed
(helpers, keys of files on disk, words of the page) stands at the top of this file and nowhere
else in this package.
"""

import hashlib
import json
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import peft
import torch
import transformers
from safetensors.torch import load_file

import coterie
from tests.cli.folders import llama_folder, llava_folder, ten_rows, text_tasks
from tests.train import gallery

LOG, SCORES = "log.jsonl", "scores.json"
LOSSES = ("loss", "task_loss", "gradient_norm")
"""Keys of a line of the log whose numbers are recorded."""
TIME = "time_s"
"""Key of a line of the log that differs from run to run."""
COST = "cost"
MEASURED = ("train_time_s", "samples_per_s", "generate_samples_per_s", "peak_memory_bytes")
"""Keys of the cost in the scores' file that differ by machine or run."""
PAGE_FACTS = ("Trained on", "Page written", "Page written on", "Page written with")
"""Labels on the page whose text differs by machine, version or date."""

STEPS, ROWS, SEED = 5, 6, 0
PRECISIONS = ("float32", "bfloat16")
HOSTS: Mapping[str, tuple[str, ...]] = {
    "awaker": ("llava",),
    "damc": ("llava",),
    "dense": ("vit",),
    "m3vit": ("vit",),
    "mod_squad": ("vit",),
    "plain_moe": ("vit",),
    "uni_moe": ("llama", "llava"),
    "uni_moe_2": ("llava",),
    "uni_moe_2_5": ("llava",),
}
"""Recipe -> the hosts it is trained on here; "llama" for a recipe that is not listed.

Llama has no connector, so Uni-MoE's first stage is refused there, and that is recorded.
"""
OPTIONS: Mapping[str, Mapping[str, Any]] = {"awaker": {"rank": 16}}
"""Recipe -> its arguments, where those by default are too large for a tiny host."""
TABLES = {
    "text": {"single_task": ("single_task/first", "single_task/second"),
             "shared_lora": ("shared_lora",), "moelora": ("moelora",), "rode": ("rode",)},
    "dense": {"dense": ("dense",), "mod_squad": ("mod_squad",), "m3vit": ("m3vit",)},
}  # fmt: skip
"""Table and report -> system -> its runs; the first system is the baseline."""

Entry = dict[str, Any]


@cache
def folder() -> Path:
    """Where all runs of this process are; `clear` removes it."""
    return Path(tempfile.mkdtemp(prefix="coterie-golden-")).resolve()


def clear() -> None:
    """Removes all runs of this process."""
    shutil.rmtree(folder())
    for each in (folder, host, trained, evaluated):
        each.cache_clear()


@cache
def host(name: str) -> tuple[str | Path, Any]:
    """A tiny pretrained model's folder and its tasks.

    "llama": two text tasks. "llava": one task with pictures, one without. "vit": three dense tasks.
    """
    if name == "vit":
        return gallery.base(), gallery.Gallery()
    here = folder() / name
    base = {"llama": llama_folder, "llava": llava_folder}[name](here / "model")
    text_tasks(here / "data")
    given = {"first": {split: f"first.{split}.jsonl" for split in ("train", "test")},
             "second": {split: f"second.{split}.jsonl" for split in ("train", "test")}}  # fmt: skip
    if name == "llava":
        # Ten rows with pictures, trained and scored on.
        ten_rows(here / "data" / "colours")
        del given["second"]
        given["colour"] = dict.fromkeys(("train", "test"), "colours/rows.jsonl")
    # Both change with every character of an answer, so they tell models apart that have learned
    # for five steps.
    metrics = {"first": "chrf"}
    listed = [
        {"name": task, "rows": rows, "metric": metrics.get(task, "character_error_rate"),
         "max_new_tokens": 8}
        for task, rows in given.items()
    ]  # fmt: skip
    # JSON is YAML.
    file = here / "data" / "golden.yaml"
    file.write_text(json.dumps({"tasks": listed}), encoding="utf-8")
    return base, coterie.read_tasks(file)


@cache
def trained(name: str, host_name: str, precision: str) -> Any:
    """A run of five steps.

    Args:
        name: the recipe's, or "recipe/task" to train on that task alone.
        host_name: a name that `host` knows.
        precision: "float32" or "bfloat16".
    """
    recipe, _, alone = name.partition("/")
    base, tasks = host(host_name)
    if alone:
        tasks = tasks.select((alone,))
    return coterie.train(
        getattr(coterie.recipes, recipe)(**OPTIONS.get(recipe, {})),
        base=base,
        tasks=tasks,
        out=folder() / "runs" / host_name / precision / name,
        steps=STEPS,
        batch_size=4,
        # Recipes' own rates would change less than the numbers' last digits in five steps.
        learning_rate=1e-2,
        log_every=1,
        seed=SEED,
        precision=precision,
        progress=False,
    )


@cache
def evaluated(name: str, host_name: str, precision: str) -> Any:
    """The scores of such a run."""
    run = trained(name, host_name, precision)
    split = "validation" if host_name == "vit" else "test"
    scores = coterie.evaluate(run, split=split, limit=ROWS)
    _fix_times(run.folder)
    return scores


def _fix_times(run: Path) -> None:
    """Replaces what was measured by a clock, so that tables and pages can be compared."""
    lines = [json.loads(line) for line in (run / LOG).read_text().splitlines()]
    for line in lines:
        assert TIME in line
        line[TIME] = float(line["step"])
    (run / LOG).write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    scores = json.loads((run / SCORES).read_text())
    assert scores[COST].keys() >= set(MEASURED)
    scores[COST] |= {key: 1.0 for key in MEASURED if scores[COST][key] is not None}
    (run / SCORES).write_text(json.dumps(scores))


def record_recipe(name: str, host_name: str, precision: str) -> Entry:
    """Losses of five steps and scores; or the type of the exception that refuses them."""
    host(host_name)  # an error here is the test's own
    try:
        run = trained(name, host_name, precision)
        scores = evaluated(name, host_name, precision)
    except Exception as error:
        return {"refused": type(error).__name__}
    lines = [json.loads(line) for line in (run.folder / LOG).read_text().splitlines()]
    assert len(lines) == STEPS
    return {
        "steps": [{key: line[key] for key in LOSSES} for line in lines],
        "scores": {
            task: {"score": each.score, "low": each.low, "high": each.high,
                   "samples": each.samples}
            for task, each in scores.tasks.items()
        },
        "cost": {key: value for key, value in scores.cost.items() if key not in MEASURED},
    }  # fmt: skip


def record_extraction(name: str, host_name: str, task: str, file: str) -> Entry:
    """Name -> shape, type, digest and norm of each tensor that is cut out for a task."""
    run = trained(name, host_name, "float32")
    evaluated(name, host_name, "float32")
    to = folder() / "extracted" / name
    tensors = load_file(coterie.extract(run, task=task, to=to) / file)
    return {key: _tensor(tensor) for key, tensor in sorted(tensors.items())}


def _tensor(tensor: torch.Tensor) -> Entry:
    content = tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes()
    return {
        "shape": list(tensor.shape),
        "dtype": str(tensor.dtype),
        "sha256": hashlib.sha256(content).hexdigest(),
        "norm": tensor.double().norm().item(),
    }


def _systems(name: str) -> dict[str, list[Any]]:
    """System -> its runs, trained and scored."""
    host_name = "vit" if name == "dense" else "llama"
    for runs in TABLES[name].values():
        for run in runs:
            evaluated(run, host_name, "float32")
    return {
        system: [trained(run, host_name, "float32") for run in runs]
        for system, runs in TABLES[name].items()
    }


def record_table(name: str) -> Entry:
    """The numbers of a comparison, and its text."""
    systems = _systems(name)
    table = coterie.compare(systems, baseline=next(iter(systems.values())))
    return {
        "scores": {
            row.system: {task: list(cell) for task, cell in row.tasks.items()}
            for row in table.rows
        },
        "difference": {
            row.system: {task: list(cell) for task, cell in row.difference.items()}
            for row in table.rows
        },
        "delta_m": {row.system: list(row.delta_m or ()) for row in table.rows},
        "better": table.better,
        "text": table.to_markdown().splitlines(),
    }  # fmt: skip


def record_report(name: str) -> Entry:
    """The words of a page about several systems, without what differs by machine or date."""
    page = coterie.report(_systems(name), out=folder() / f"{name}.html")
    words = _Words()
    words.feed(page.read_text(encoding="utf-8"))
    words.close()
    return {"text": list(_without_machine(words.found))}


class _Words(HTMLParser):
    """Collects what a reader of a page sees, a piece of text between two tags an item.

    The runs' recipe files, which the page shows whole, are left out: they hold the settings of a
    run, of which the numbers above come.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._tag = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag = tag

    def handle_endtag(self, tag: str) -> None:
        self._tag = ""

    def handle_data(self, data: str) -> None:
        text = " ".join(data.split())
        if text and self._tag not in ("style", "script") and not text.startswith("{"):
            self.found.append(text)


def _without_machine(words: list[str]) -> Iterator[str]:
    """The words with folders named alike, and without the text behind the labels PAGE_FACTS."""
    hidden = False
    for text in words:
        if not hidden:
            text = text.replace(str(folder()), "FOLDER").replace(str(host("vit")[0]), "VIT")
            yield text.replace(Path(host("vit")[0]).name, "VIT")
        hidden = text in PAGE_FACTS


def machine() -> dict[str, str]:
    """What can change the last bits of a number: the CPU and the libraries that compute."""
    found = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text().splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        found = names[0] if names else found
    return {
        "cpu": found,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "peft": peft.__version__,
    }


def _recipes() -> Iterator[tuple[str, Callable[[], Entry]]]:
    for name in coterie.recipes.__all__:
        for host_name in HOSTS.get(name, ("llama",)):
            for precision in PRECISIONS:
                yield (
                    f"recipe {name} on {host_name} in {precision}",
                    lambda a=name, b=host_name, c=precision: record_recipe(a, b, c),
                )


ENTRIES: dict[str, Callable[[], Entry]] = dict(_recipes()) | {
    "extraction adapter": lambda: record_extraction(
        "moelora", "llama", "second", "adapter_model.safetensors"
    ),
    "extraction pruned": lambda: record_extraction("mod_squad", "vit", "half", "model.safetensors"),
    "table text": lambda: record_table("text"),
    "table dense": lambda: record_table("dense"),
    "report text": lambda: record_report("text"),
    "report dense": lambda: record_report("dense"),
}
"""Entry of golden.json -> what computes it."""
