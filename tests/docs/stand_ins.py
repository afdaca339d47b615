"""A folder in which the pages' commands work offline: tiny models under hub names, and rows."""

import json
import shutil
import tempfile
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from os import chdir
from pathlib import Path

from PIL import Image

from tests.cli.folders import write_model
from tests.tinies.base import TEXT, tokenizer
from tests.tinies.gemma3 import gemma3

MODEL = "google/gemma-3-4b-it"
"""The hub id that the pages use; a relative folder of this name comes before the hub."""
LANGUAGE_MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"
"""The hub id of a model of text, likewise."""
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255,) * 3}
ROWS = 12


@cache
def model() -> Path:
    """A tiny Gemma 3 with its processor, made once a session."""
    folder = Path(tempfile.mkdtemp()) / "model"
    write_model(gemma3(), folder)
    return folder


@cache
def language_model() -> Path:
    """A tiny Llama and its tokenizer, made once a session."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder, words = Path(tempfile.mkdtemp()) / "model", tokenizer("<|im_start|>", "<|im_end|>")
    words.save_pretrained(folder)
    LlamaForCausalLM(LlamaConfig(vocab_size=len(words), **TEXT)).save_pretrained(folder)
    return folder


@contextmanager
def project() -> Iterator[Path]:
    """A user's folder, as the pages take it to be; the current one until it is left."""
    before, folder = Path.cwd(), Path(tempfile.mkdtemp()).resolve()
    for name, made in ((MODEL, model()), (LANGUAGE_MODEL, language_model())):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).symlink_to(made)
    write_rows(folder)
    chdir(folder)
    try:
        yield folder
    finally:
        chdir(before)
        shutil.rmtree(folder)


def write_rows(folder: Path) -> None:
    """Pictures, a sound, caption.jsonl, ocr.jsonl, and the tasks.yaml that lists both."""
    (folder / "photos").mkdir()
    rows = []
    for number in range(ROWS):
        colour = list(COLOURS)[number % len(COLOURS)]
        image = f"photos/{number}.png"
        Image.new("RGB", (28 + number, 28), COLOURS[colour]).save(folder / image)
        rows.append({"image": image, "question": f"Colour {number}?", "answer": colour})
    for name in ("cat.png", "a.png", "b.png"):
        shutil.copy(folder / "photos" / "0.png", folder / name)
    with wave.open(str(folder / "word.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16000)
        sound.writeframes(bytes(16000))
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "caption.jsonl").write_text(lines)
    (folder / "ocr.jsonl").write_text(lines)
    (folder / "tasks.yaml").write_text(
        "tasks:\n"
        "- {name: caption, rows: caption.jsonl, metric: token_f1, max_new_tokens: 4}\n"
        "- {name: ocr, rows: ocr.jsonl, metric: character_error_rate, max_new_tokens: 4}\n"
    )
