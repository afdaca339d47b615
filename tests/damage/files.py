"""Good files of every format that coterie reads, before they are damaged."""

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tests.data.files import png, saved, tone, wav

ROWS: list[dict[str, Any]] = [
    {"image": "good.png", "question": "What is it?", "answer": ["a cat", "cat"], "id": 1},
    {"image": None, "question": "Is it 3, or 4?", "answer": 3, "id": 2},
    {"question": "Choose: <image>", "image": "good.png", "answer": "b", "system": "Be short."},
]
DIALOGUES: list[dict[str, Any]] = [
    {"messages": [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "good.png"}}]},
        {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "content": "1"},
        {"role": "assistant", "content": "yes"},
    ]},
    {"image": "good.png", "conversations": [
        {"from": "human", "value": "<image>\nWhy?"}, {"from": "gpt", "value": "So."}
    ]},
    {"prompt": "Why?", "completion": "So.", "tools": "[]"},
]  # fmt: skip
TASKS = """\
tasks:
- name: colours
  rows: {train: good.jsonl, val: good.jsonl}
  prompt: "{question} {hint?}"
  metric: {name: numeric_match, tolerance: 0.1}
  max_new_tokens: 4
  weight: 2.5
- {name: words, rows: [good.jsonl], image: picture, system: Be short., metric: "exact(strict=True)"}
"""
VISION = """\
pictures: {set: taskonomy, folder: ".", names: [depth_zbuffer, segment_semantic]}
vision:
  size: [32, 32]
  head: linear
  augment: {crop: [16, 16], flip: 0.5}
"""


def to_lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def to_parquet(**options: Any) -> bytes:
    table = pa.table(
        {
            "image": [png(), png("blue")] * 20,
            "question": ["What is it?", "Why?"] * 20,
            "answer": pa.array([0, 1] * 20, pa.int64()),
            "more": [{"a": [1.5, None]}, None] * 20,
        }
    )
    features = {"answer": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    file = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(metadata), file, **options)
    return file.getvalue()


def to_npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.arange(48, dtype=np.float32).reshape(1, 6, 8))
    return file.getvalue()


def picture(form: str, mode: str = "RGB", **options: Any) -> Callable[[], bytes]:
    def make() -> bytes:
        rng = np.random.default_rng(0)
        shape = (16, 24, 3) if mode in ("RGB", "CMYK") else (16, 24)
        types = {"F": np.float32, "I": np.int32, "I;16": np.uint16}
        values = rng.integers(0, 256, shape).astype(types.get(mode, np.uint8))
        image = Image.fromarray(values)
        return saved(image.convert("CMYK") if mode == "CMYK" else image, form, **options)

    return make


def sound(form: str, **options: Any) -> Callable[[], bytes]:
    return lambda: wav(tone(0.3, rate=8000), rate=8000, form=form, **options)


ROW_FILES: dict[str, Callable[[], bytes]] = {
    "rows.jsonl": lambda: to_lines(ROWS),
    "dialogues.jsonl": lambda: to_lines(DIALOGUES),
    "rows.json": lambda: json.dumps({"data": ROWS}, indent=1).encode(),
    "dialogues.json": lambda: json.dumps(DIALOGUES).encode(),
    "rows.csv": lambda: b'image,question,answer\ngood.png,"What, or ""who""?",cat\n,"a\nb",3\n',
    "rows.tsv": lambda: b"question\tanswer\nWhat?\tcat\nWho?\t\n",
}
PACKED_FILES: dict[str, Callable[[], bytes]] = {
    "rows.jsonl.gz": lambda: gzip.compress(to_lines(ROWS * 20)),
    "rows.csv.zst": lambda: pa.Codec("zstd").compress(b"question,answer\na,b\n" * 9, asbytes=True),
    "rows.parquet": to_parquet,
    "rows.zstd.parquet": lambda: to_parquet(compression="zstd", row_group_size=7),
}
PICTURES: dict[str, Callable[[], bytes]] = {
    "a.png": picture("PNG"), "b.png": picture("PNG", "I;16"), "a.jpg": picture("JPEG"),
    "cmyk.jpg": picture("JPEG", "CMYK"), "a.webp": picture("WEBP"), "a.gif": picture("GIF", "L"),
    "a.bmp": picture("BMP"), "a.tif": picture("TIFF"), "16.tif": picture("TIFF", "I;16"),
    "float.tif": picture("TIFF", "F"), "int.tif": picture("TIFF", "I"),
    "lzw.tif": picture("TIFF", compression="tiff_lzw"),
}  # fmt: skip
SOUNDS: dict[str, Callable[[], bytes]] = {
    "a.wav": sound("WAV"), "gsm.wav": sound("WAV", subtype="GSM610"),
    "float.wav": sound("WAV", subtype="FLOAT"), "a.flac": sound("FLAC"), "a.ogg": sound("OGG"),
    "a.mp3": sound("MP3"), "a.aiff": sound("AIFF"),
}  # fmt: skip
TASK_FILES: dict[str, Callable[[], bytes]] = {
    "tasks.yaml": TASKS.encode, "vision.yaml": VISION.encode
}  # fmt: skip
LABELS: dict[str, Callable[[], bytes]] = {"a.npy": to_npy, "16.png": picture("PNG", "I;16")}


def fill(folder: Path) -> None:
    """Write what the damaged files name."""
    (folder / "good.png").write_bytes(png())
    (folder / "good.jsonl").write_bytes(to_lines(ROWS))
