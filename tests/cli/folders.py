"""What a user has: a model's folder, and tasks of their own beside it."""

import json
from pathlib import Path

from PIL import Image

from tests.tinies.base import Tiny, tokenizer
from tests.tinies.llava import llava
from tests.tinies.text import llama

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


def llama_folder(folder: Path) -> Path:
    """A tiny Llama with a tokenizer, and no chat template."""
    llama().model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def llava_folder(folder: Path) -> Path:
    """A tiny LLaVA with its processor, and no chat template."""
    write_model(llava(), folder)
    (folder / "chat_template.jinja").unlink()
    return folder


def write_model(tiny: Tiny, folder: Path) -> None:
    """A model with pictures, laid down as on the hub."""
    tiny.model.save_pretrained(folder)
    assert tiny.files is not None
    tiny.files.write(folder, tiny.model.config)


def text_tasks(folder: Path) -> Path:
    """Two tasks of a few words, with files for training and test; the tasks.yaml."""
    folder.mkdir(parents=True)
    for task, answer in (("first", "is this"), ("second", "a cat")):
        for split in ("train", "test"):
            rows = [{"question": f"what is {i}?", "answer": answer} for i in range(6)]
            write(folder / f"{task}.{split}.jsonl", rows)
    lines = ["tasks:"]
    for task in ("first", "second"):
        lines += [
            f"  - name: {task}",
            f"    rows: {{train: {task}.train.jsonl, test: {task}.test.jsonl}}",
            "    max_new_tokens: 4",
        ]
    (folder / "tasks.yaml").write_text("\n".join(lines) + "\n")
    return folder / "tasks.yaml"


def ten_rows(folder: Path) -> Path:
    """Ten rows with pictures in one JSONL file, which is shared out; the tasks.yaml."""
    (folder / "pictures").mkdir(parents=True)
    rows = []
    for i in range(10):
        name, colour = list(COLOURS.items())[i % 3]
        picture = Image.new("RGB", (28 + i, 28), colour)
        picture.save(folder / "pictures" / f"{i}.png")
        image = f"pictures/{i}.png"
        rows.append({"image": image, "question": f"what colour is {i}?", "answer": name})
    write(folder / "rows.jsonl", rows)
    (folder / "tasks.yaml").write_text(
        "tasks:\n  - name: colour\n    rows: rows.jsonl\n    max_new_tokens: 4\n"
    )
    return folder / "tasks.yaml"


def write(file: Path, rows: list[dict[str, str]]) -> None:
    """The rows as JSON lines."""
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
