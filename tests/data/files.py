"""Small pictures, sounds and rows, as the tests of data write them."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image


def png(color: Any = "red", size: tuple[int, int] = (8, 6), mode: str = "RGB") -> bytes:
    return saved(Image.new(mode, size, color), "PNG")


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def wav(samples: Any, rate: int = 16_000, form: str = "WAV", **options: Any) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.asarray(samples, np.float32), rate, format=form, **options)
    return file.getvalue()


def tone(seconds: float = 0.1, rate: int = 16_000, hertz: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)


def jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
