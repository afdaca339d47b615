"""Damaged inputs of all formats, by seed: what each is, and how coterie reads it."""

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from coterie.cli.main import main
from coterie.cli.train_config import build_config, parse_override
from coterie.data.sample import MediaFile
from coterie.recipes import rode
from coterie.serialization import dumps
from coterie.task_file import read_tasks
from coterie.tasks import TextTask
from coterie.tasks.dense.label_files import LabelFile, decode_npy, decode_uint16
from coterie.train.named_recipes import read_recipe_or_config
from coterie.tuner.config import CoterieConfig
from tests.damage import files
from tests.damage.changes import BYTES, TEXT, Change
from tests.data.files import tone
from tests.hostile.mutations import mutate
from tests.modalities.test_audio import encode_m4a
from tests.modalities.test_video import encode


@dataclass(frozen=True, kw_only=True)
class Damaged:
    """A damaged input.

    Attributes:
        kind: the format.
        name: what was damaged, and how.
        read: reads it, and may raise ValueError or OSError.
        source: what an error must name.
    """

    kind: str
    name: str
    read: Callable[[], object]
    source: str


def read_rows(path: Path) -> list[Any]:
    """Read all rows as training does, of the first also their media."""
    task = TextTask(name="t", rows={"train": str(path)}, prompt="{question}")
    rows = task.read_samples("train", skip_bad_rows=True)
    return [rows[index].to_chat_messages() for index in range(min(len(rows), 20))]


def read_media(kind: str, path: Path) -> object:
    return MediaFile(kind=kind, path=path).load(max_pixels=100)


def read_label(path: Path) -> object:
    decode = decode_npy if path.suffix == ".npy" else decode_uint16
    return LabelFile(folder=path.parent, name=path.name, field="depth").read(decode)


def override(text: str, tasks: Path) -> object:
    flags = {"base": "base", "tasks": read_tasks(tasks)}
    return build_config("rode", [parse_override(text)], flags)


Read = Callable[[Path], object]


class Format(NamedTuple):
    """Good files of a kind, what damages them, what reads them, and how often each is damaged."""

    goods: Mapping[str, Callable[[], bytes]]
    changes: Sequence[Change]
    read: Read
    count: int


FILES = {
    "rows": Format(files.ROW_FILES, TEXT, read_rows, 40),
    "packed rows": Format(files.PACKED_FILES, BYTES, read_rows, 30),
    "tasks": Format(files.TASK_FILES, TEXT, read_tasks, 60),
    "picture": Format(files.PICTURES, BYTES, partial(read_media, "image"), 15),
    "sound": Format(files.SOUNDS, BYTES, partial(read_media, "audio"), 15),
    "label": Format(files.LABELS, BYTES, read_label, 20),
}
OVERRIDES = (
    "rank={}", "router.k={}", "stages.0.rate={}", "steps={}", "tasks.tasks.0.name={}",
    "batch_size={}", "recipe.mixtures.0.at={}", "{}=1", "mix.temperature={}", "seed={}"
)  # fmt: skip
VALUES = (
    "", "=", "a", "-1", "1e999", "NaN", "null", "[" * 3000, "[[[1]]]", "9" * 5000, "{}",
    '{"is": 3}', '{"is": "os:system"}', "../../x", "x" * 5000, "(1, 2", "\0", "\ud800",
    "([a-z]+)+$", "lambda: 0", "__import__('os')", "1_0", "0x", "True", "0.1,0.2"
)  # fmt: skip
ARGUMENTS = (
    "train", "evaluate", "compare", "diagnose", "report", "extract", "generate", "list", "--help",
    "rode", "nowhere", "--base", "--tasks", "--out", "--set", "--steps", "-1", "--device", "tpu",
    "--batch-size", "0", "--resume", "x" * 300, "", "\ud800", "~nobody/x", "/dev/zero", "/dev/null",
    "--split", "--jsonl", "hf:", "hf:a/b/c", "tasks.yaml:", "--nothing", "--to", ".", "a\nb"
)  # fmt: skip


def find_formats() -> dict[str, Format]:
    """Return all formats; those that PyAV decodes, if it is installed."""
    try:
        av = import_module("av")
    except ModuleNotFoundError:
        return FILES
    videos, sounds = {"a.mp4": lambda: encode(av, 12)}, {"a.m4a": lambda: encode_m4a(av, tone(0.5))}
    return {
        **FILES,
        "video": Format(videos, BYTES, partial(read_media, "video"), 30),
        "m4a": Format(sounds, BYTES, partial(read_media, "audio"), 30),
    }


def damage_files(folder: Path, seed: int) -> Iterator[Damaged]:
    """Yield damaged files of rows, tasks and media."""
    for kind, (goods, changes, read, count) in find_formats().items():
        for name, make in goods.items():
            content = make()
            for number in range(count):
                rng = random.Random(f"{seed} {name} {number}")
                change = changes[number % len(changes)]
                path = folder / f"{number}_{kind.replace(' ', '_')}_{name}"
                path.write_bytes(change(rng, content))
                what = f"{name} {number} {change.__name__}"
                yield Damaged(kind=kind, name=what, read=partial(read, path), source=path.name)


def damage_json(folder: Path, seed: int) -> Iterator[Damaged]:
    """Yield recipes and adapter configurations that were edited by hand."""
    config = CoterieConfig.from_mixtures(rode().mixtures, ("a", "b"))
    config.save_pretrained(str(folder))
    saved = (folder / "adapter_config.json").read_text()
    for name, text in {"recipe.json": dumps(rode()), "adapter_config.json": saved}.items():
        found = list(mutate(json.loads(text)))
        for number, (what, content) in enumerate(random.Random(seed).sample(found, 60)):
            inside = folder / f"{name}_{number}"
            inside.mkdir()
            (inside / name).write_text(content, encoding="utf-8", errors="surrogatepass")
            read = partial(read_recipe_or_config, str(inside / name))
            if name == "adapter_config.json":
                read = partial(CoterieConfig.from_pretrained, str(inside))
            yield Damaged(kind=name, name=what, read=read, source="")


def damage_arguments(folder: Path, seed: int) -> Iterator[Damaged]:
    """Yield values of --set, and command lines."""
    rng = random.Random(seed)
    for number in range(100):
        text = rng.choice(OVERRIDES).format(rng.choice(VALUES))
        read = partial(override, text, folder / "tasks.yaml")
        yield Damaged(kind="--set", name=f"{number} {text[:40]!r}", read=read, source="")
    for number in range(100):
        given = tuple(rng.choice(ARGUMENTS) for _ in range(rng.randint(1, 7)))
        yield Damaged(
            kind="command line", name=f"{number} {given}", read=partial(main, given), source=""
        )


def damage_all(folder: Path, seed: int) -> Iterator[Damaged]:
    """Yield all damaged inputs; they are made one by one."""
    files.fill(folder)
    (folder / "tasks.yaml").write_text(files.TASKS)
    yield from damage_files(folder, seed)
    yield from damage_json(folder, seed)
    yield from damage_arguments(folder, seed)
