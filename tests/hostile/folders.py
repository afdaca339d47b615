"""Builds hostile folders out of a run, a base model and tasks of their own that are right."""

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import load_file, save_file

MARK = "it ran"
CODE = f"open('ran.txt', 'w').write({MARK!r})\n"


class Evil:
    """Writes a file where it is unpickled."""

    def __reduce__(self) -> Any:
        return exec, (CODE,)


def edit(file: Path, change: Callable[[Any], Any]) -> None:
    """Replace the JSON in a file by what `change` returns for it."""
    data = json.loads(file.read_text())
    file.write_text(json.dumps(change(data) or data))


def edit_weights(run: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the tensors of a run's adapter, and leave no checksums that would tell."""
    file = run / "adapter" / "adapter_model.safetensors"
    weights = load_file(file)
    change(weights)
    save_file(weights, file, metadata={"format": "pt"})
    for sums in (run / "adapter").glob("*sums*"):
        sums.unlink()


def set_stage_name(name: str) -> Callable[[Path, Path], None]:
    def change(run: Path, victim: Path) -> None:
        def rename(data: Any) -> None:
            data["recipe"]["stages"][0]["name"] = name.replace("VICTIM", str(victim))

        edit(run / "run.json", rename)

    return change


def set_field(*path: Any, value: Any) -> Callable[[Path, Path], None]:
    """Set a field of run.json."""

    def change(run: Path, victim: Path) -> None:
        def put(data: Any) -> None:
            for key in path[:-1]:
                data = data[key]
            data[path[-1]] = value

        edit(run / "run.json", put)

    return change


def link(name: str, target: str = "mine.txt") -> Callable[[Path, Path], None]:
    """Replace an entry of the run by a link to a file or folder of the victim."""

    def change(run: Path, victim: Path) -> None:
        place = run / name
        shutil.rmtree(place, ignore_errors=True)
        place.unlink(missing_ok=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(victim / target)

    return change


def pipe(name: str) -> Callable[[Path, Path], None]:
    def change(run: Path, victim: Path) -> None:
        shutil.rmtree(run / name, ignore_errors=True)
        (run / name).unlink(missing_ok=True)
        os.mkfifo(run / name)

    return change


def sparse(name: str) -> Callable[[Path, Path], None]:
    def change(run: Path, victim: Path) -> None:
        with (run / name).open("ab") as file:
            file.truncate(6 * 2**30)

    return change


def text(name: str, content: str) -> Callable[[Path, Path], None]:
    def change(run: Path, victim: Path) -> None:
        (run / name).write_text(content)

    return change


def pickled(run: Path, victim: Path) -> None:
    (run / "adapter" / "adapter_model.safetensors").unlink()
    (run / "adapter" / "adapter_model.bin").write_bytes(pickle.dumps(Evil()))


def other_method(run: Path, victim: Path) -> None:
    edit(run / "adapter" / "adapter_config.json", lambda data: data | {
        "peft_type": "LORA", "auto_mapping": {"base_model_class": "X", "parent_library": "evil"},
    })  # fmt: skip


def no_numbers(run: Path, victim: Path) -> None:
    edit_weights(run, lambda found: found[min(found)].fill_(float("nan")))


def whole_numbers(run: Path, victim: Path) -> None:
    def change(found: dict[str, Any]) -> None:
        found[min(found)] = found[min(found)].to(torch.int64)

    edit_weights(run, change)


def fewer_weights(run: Path, victim: Path) -> None:
    edit_weights(run, lambda found: found.pop(min(found)))


def fewer_mixtures(run: Path, victim: Path) -> None:
    edit(run / "adapter" / "adapter_config.json", lambda data: data | {"mixtures": []})


DEEP = "[" * 5000 + "]" * 5000
RUNS: dict[str, Callable[[Path, Path], None]] = {
    "stage leaves the run": set_stage_name("/../../../VICTIM/out"),
    "stage is a path": set_stage_name("VICTIM"),
    "system leaves the run": set_field("recipe", "name", value="../../x"),
    "task leaves the run": set_field("tasks", "tasks", 0, "name", value="../../x"),
    "split leaves the run": set_field("tasks", "tasks", 0, "rows", value={"../../x": "a.jsonl"}),
    "foreign class": set_field("recipe", "balancing", value={"is": "subprocess:Popen"}),
    "another kind": set_field("recipe", "mixtures", 0, "gate", value={"is": "coterie:TopK"}),
    "pattern without end": set_field(
        "recipe", "mixtures", 0, "at", value=r"(.*)(.*)(.*)(.*)(.*)(.*)(.*)\1\2[XY]"
    ),
    "base is a command": set_field("base", value="; touch ran.txt"),
    "attention from the hub": set_field("attention", value="someone/kernel"),
    "deep configuration": text("run.json", DEEP),
    "huge number": set_field("seed", value=10**38),
    "scores are a link": link("scores.json"),
    "table is a link": link("routing.json"),
    "unfinished scores are a link": link("scores.json.partial"),
    "predictions are a link": link("predictions", "folder"),
    "environment is a link": link("environment.jsonl"),
    "log is a link": link("log.jsonl"),
    "checkpoints are a link": link("checkpoints", "folder"),
    "events are a link": link("events", "folder"),
    "adapter is a link": link("adapter", "folder"),
    "lock is a link": link(".training.lock"),
    "bad rows are a link": link("bad_rows.test.jsonl"),
    "scores are a pipe": pipe("scores.json"),
    "log is a pipe": pipe("log.jsonl"),
    "configuration is sparse": sparse("run.json"),
    "scores are sparse": sparse("scores.json"),
    "deep scores": text("scores.json", DEEP),
    "pickled adapter": pickled,
    "adapter of another method": other_method,
    "weights that are not finite": no_numbers,
    "whole numbers as weights": whole_numbers,
    "a weight is missing": fewer_weights,
    "no mixtures": fewer_mixtures,
}
"""What is wrong -> how a run is made so, given its folder and that of the victim."""


def auto_map(*files: str) -> Callable[[Path], None]:
    """Name Python code of the folder in files of a base model, and put it there."""

    def change(base: Path) -> None:
        (base / "evil.py").write_text(CODE)
        named = {
            name: f"evil.{name}"
            for name in ("AutoConfig", "AutoModelForCausalLM", "AutoModel", "AutoProcessor")
        }
        named["AutoTokenizer"] = ["evil.Slow", "evil.Fast"]
        for name in files:
            if not (base / name).is_file():
                (base / name).write_text("{}")
            kind = {"model_type": "evil"} if name == "config.json" else {}
            edit(base / name, lambda data, kind=kind: data | kind | {"auto_map": named})

    return change


def custom_generate(base: Path) -> None:
    (base / "custom_generate").mkdir()
    (base / "custom_generate" / "generate.py").write_text(CODE)
    edit(base / "generation_config.json", lambda data: data | {"custom_generate": str(base)})


def pickled_base(base: Path) -> None:
    (base / "model.safetensors").unlink()
    (base / "pytorch_model.bin").write_bytes(pickle.dumps(Evil()))


def deep_configuration(base: Path) -> None:
    (base / "config.json").write_text(DEEP)


def template(source: str) -> Callable[[Path], None]:
    def change(base: Path) -> None:
        (base / "chat_template.jinja").write_text(source)

    return change


GROW = (
    "{% set s = namespace(x='aa') %}{% for i in range(99) %}{% set s.x = s.x ~ s.x %}{% endfor %}"
)
BASES: dict[str, Callable[[Path], None]] = {
    "code of its own": auto_map("config.json"),
    "tokenizer of its own": auto_map("tokenizer_config.json"),
    "processor of its own": auto_map("processor_config.json", "preprocessor_config.json"),
    "all of its own": auto_map("config.json", "tokenizer_config.json", "processor_config.json"),
    "generation of its own": custom_generate,
    "pickled weights": pickled_base,
    "template repeats": template("{{ 'a' * 3000000000 }}"),
    "template loops": template(
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    ),
    "template grows": template(GROW),
    "template pads": template("{{ '%3000000000d' % 1 }}"),
    "template opens": template("{{ messages.__class__.__mro__[1].__subclasses__() }}"),
    "deep configuration": deep_configuration,
}
"""What is wrong -> how a base model's folder is made so."""


def write_tasks(folder: Path, content: str) -> Path:
    (folder / "tasks.yaml").write_text(content)
    return folder / "tasks.yaml"


ONE = "tasks:\n  - {name: NAME, rows: {train: ROWS, test: ROWS}}\n"
LEVELS = "".join(
    f"{'  ' * 1}{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
TASKS: dict[str, str] = {
    "name leaves the run": ONE.replace("NAME", "'../../x'").replace("ROWS", "rows.jsonl"),
    "name of 300 letters": ONE.replace("NAME", "x" * 300).replace("ROWS", "rows.jsonl"),
    "rows are a pipe": ONE.replace("NAME", "a").replace("ROWS", "pipe.jsonl"),
    "rows are a device": ONE.replace("NAME", "a").replace("ROWS", "zero.jsonl"),
    "python in YAML": "tasks: !!python/object/apply:os.system ['touch ran.txt']\n",
    "deep YAML": "tasks: " + DEEP,
    "aliases": "x:\n  a: &a [x, x, x, x, x, x, x, x, x, x]\n" + LEVELS + "tasks: *i\n",
    "itself": "tasks: &a [*a]\n",
}
"""What is wrong -> a tasks.yaml."""


def add_rows(folder: Path) -> None:
    """Add rows that have no end to a folder of tasks."""
    (folder / "rows.jsonl").write_text('{"question": "a?", "answer": "b"}\n' * 4)
    os.mkfifo(folder / "pipe.jsonl")
    (folder / "zero.jsonl").symlink_to("/dev/zero")


def add_private_picture(folder: Path) -> Path:
    """Write a picture that is nobody else's business."""
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 64), (10, 200, 30)).save(folder / "secret.png")
    return folder / "secret.png"
