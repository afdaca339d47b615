"""A tiny omni model, a task of each of three modalities, and Uni-MoE's three stages on them."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from coterie import Recipe
from coterie.recipes import uni_moe
from coterie.tasks import TextTask, TextTasks
from coterie.train import Run, train
from tests.data.files import jsonl, png, tone, wav
from tests.tinies.omni import omni_model, omni_processor

NAMES = ("colour", "pitch", "animal")
STAGES = ("alignment", "experts-image", "experts-audio", "experts-text", "unified")
OPTIONS: dict[str, Any] = {
    "batch_size": 2, "learning_rate": 1e-2, "save_every": 1, "log_every": 1, "device": "cpu",
    "progress": False,
}  # fmt: skip


@cache
def base() -> str:
    folder = Path(mkdtemp())
    processor = omni_processor()
    omni_model(processor).save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder)


@cache
def tasks() -> TextTasks:
    """Four rows each."""
    folder = Path(mkdtemp())
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in NAMES}
    for i, (colour, hertz) in enumerate((("red", 220.0), ("blue", 440.0)) * 2):
        (folder / f"{i}.png").write_bytes(png(colour, size=(28, 28)))
        (folder / f"{i}.wav").write_bytes(wav(tone(0.2, hertz=hertz)))
        rows["colour"].append({"image": f"{i}.png", "question": "is this?", "answer": colour})
        rows["pitch"].append({"audio": f"{i}.wav", "question": "is this?", "answer": f"{hertz}"})
        rows["animal"].append({"question": f"what is {i}?", "answer": "a cat"})
    for name, each in rows.items():
        jsonl(folder / f"{name}.jsonl", each)
    return TextTasks(
        tasks=tuple(
            TextTask(
                name=name,
                rows={split: f"{name}.jsonl" for split in ("train", "test")},
                folder=str(folder),
                max_new_tokens=4,
            )
            for name in NAMES
        )
    )


def recipe(**options: Any) -> Recipe:
    """Two steps a stage in batches of two: 12 rows of all tasks, 4 of a branch's."""
    given: dict[str, Any] = {"experts": 4, "rank": 2, "expert_rank": 2, "epochs": (1 / 3, 1, 1 / 3)}
    return uni_moe(**(given | options))


def trained(folder: Path, found: Recipe, **options: Any) -> Run:
    return train(found, base=base(), out=folder, **({"tasks": tasks()} | OPTIONS | options))
