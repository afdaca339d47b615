"""golden.json: what was recorded, on what machine, and why it was recorded anew."""

import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("golden.json")


def load() -> dict[str, Any]:
    """The machine and the entries; an entry has "reasons", the newest last, and "recorded"."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def save(content: dict[str, Any]) -> None:
    """Writes the file; floats are written so that the same bits are read."""
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=True)
    FILE.write_text(f"{text}\n", encoding="utf-8")
