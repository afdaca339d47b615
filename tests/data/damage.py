"""Ways in which rows and the files they name are damaged, and what must be said of each."""

import json
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from coterie.data.sources.base import MAX_ROW_BYTES
from tests.data.files import png, saved, tone, wav


@dataclass(frozen=True)
class Damaged:
    """A line, without its end, and what its bad row must name."""

    line: bytes
    field: str
    reason: str


Kind = Callable[[random.Random, Path, str], Damaged]


def row(**items: Any) -> bytes:
    return json.dumps({"question": "What?", "answer": "this", **items}).encode()


def noise(rng: random.Random, form: str, **options: Any) -> bytes:
    pixels = np.frombuffer(rng.randbytes(32 * 32 * 3), np.uint8).reshape(32, 32, 3)
    return saved(Image.fromarray(pixels), form, **options)


def filed(make: Callable[[random.Random], bytes], suffix: str, field: str, reason: str) -> Kind:
    """A good row that names a damaged file."""

    def kind(rng: random.Random, folder: Path, name: str) -> Damaged:
        file = f"{name}{suffix}"
        (folder / file).write_bytes(make(rng))
        return Damaged(row(**{field: file}), field, f"{file}.* {reason}")

    return kind


def good(number: int) -> bytes:
    return b'{"image": "good.png", "question": "What is %d?", "answer": %d}' % (number, number)


def cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randint(len(content) // 3, len(content) // 2)]


def silent(_: random.Random) -> bytes:
    return wav(np.zeros(0))


def nan_sound(rng: random.Random) -> bytes:
    samples = tone()
    samples[rng.randrange(len(samples))] = np.nan
    return wav(samples, subtype="FLOAT")


def bomb(rng: random.Random) -> bytes:
    """A PNG of few bytes that says it has 12000 x 12000 pixels."""
    content = bytearray(png(size=(4, 4)))
    content[16:24] = (12_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return bytes(content)


@cache
def large(_: object) -> bytes:
    """A PNG of 49 KB that has 20,000 x 20,000 pixels of one bit."""
    return saved(Image.new("1", (20_000, 20_000)), "PNG")


@cache
def long(_: object) -> bytes:
    """A FLAC file of 35 KB with 1801 s of silence."""
    return wav(np.zeros(1801 * 8000), rate=8000, form="FLAC")


def comment_bomb(_: random.Random) -> bytes:
    """A PNG with a compressed comment of two million letters, twice what is read."""
    body = b"Comment\0\0" + zlib.compress(b"a" * 2_000_000)
    chunk = len(body).to_bytes(4, "big") + b"zTXt" + body
    content = png()
    return content[:33] + chunk + zlib.crc32(b"zTXt" + body).to_bytes(4, "big") + content[33:]


def wide_gif(_: random.Random) -> bytes:
    return b"GIF89a" + b"\xff" * 4 + b"\0\0\0" + b"," + bytes(4) + b"\xff" * 4 + b"\0\x02\0;"


def at_0_hertz(_: random.Random) -> bytes:
    content = bytearray(wav(tone()))
    content[24:32] = bytes(8)  # samples and bytes per second
    return bytes(content)


def postscript(_: random.Random) -> bytes:
    """What Pillow would give to Ghostscript to run."""
    return b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"


def lined(make: Callable[[random.Random], bytes], field: str, reason: str) -> Kind:
    """A damaged line."""
    return lambda rng, folder, name: Damaged(make(rng), field, reason)


def folder_as_file(rng: random.Random, folder: Path, name: str) -> Damaged:
    (folder / name).mkdir()
    return Damaged(row(image=name), "image", f"'{name}' is a folder")


def missing(rng: random.Random, folder: Path, name: str) -> Damaged:
    return Damaged(row(image=f"{name}.png"), "image", f"'{name}.png' cannot be read.*No such file")


def more_images(rng: random.Random, folder: Path, name: str) -> Damaged:
    (folder / f"{name}.png").write_bytes(png())
    turns = [{"from": "human", "value": "<image> What?"}, {"from": "gpt", "value": "this"}]
    line = json.dumps({"image": [f"{name}.png"] * 2, "conversations": turns}).encode()
    return Damaged(line, "conversations", "marks 1 <image>, but the row names 2")


def messages(*turns: tuple[Any, Any]) -> bytes:
    given = [{"role": role, "content": content} for role, content in turns]
    return json.dumps({"messages": given}).encode()


def text(rng: random.Random, length: int = 12) -> str:
    return "".join(rng.choice("abcdefghij ") for _ in range(length)).strip() or "a"


def replaced(rng: random.Random, byte: bytes) -> bytes:
    """A good line with a byte put into the question."""
    line = row()
    at = line.index(b"What") + rng.randint(0, 4)
    return line[:at] + byte + line[at:]


def number(rng: random.Random, given: str) -> bytes:
    return b'{"question": "%s", "answer": %s}' % (text(rng).encode(), given.encode())


KINDS: dict[str, Kind] = {
    "truncated PNG": filed(
        lambda rng: cut(noise(rng, "PNG"), rng), ".png", "image", "is a damaged"
    ),
    "truncated JPEG": filed(lambda rng: cut(noise(rng, "JPEG"), rng), ".jpg", "image", "is a dam"),
    "zero bytes": filed(lambda rng: b"", ".png", "image", "is an empty file"),
    "wrong extension": filed(lambda rng: wav(tone()), ".png", "image", "is no picture.*RIFF"),
    "picture as sound": filed(lambda rng: png(), ".wav", "audio", "is no sound.*PNG"),
    "text as picture": filed(lambda rng: text(rng).encode(), ".png", "image", "is no picture"),
    "decompression bomb": filed(bomb, ".png", "image", "12000|144000000"),
    "20,000 x 20,000 pixels": filed(large, ".png", "image", "20000|400000000"),
    "comment bomb": filed(comment_bomb, ".png", "image", "is a damaged picture: Decompressed"),
    "wide GIF": filed(wide_gif, ".gif", "image", "is too large a picture|65535 x 65535 pixels"),
    "PostScript": filed(postscript, ".png", "image", "is no picture.*PS-Ado"),
    "0 Hz": filed(at_0_hertz, ".wav", "audio", "is no sound|at 0 Hz|lasts"),
    "silence of half an hour": filed(long, ".flac", "audio", "lasts 1801 s: at most 1800 s"),
    "corrupt wav": filed(
        lambda rng: wav(tone())[:20] + rng.randbytes(40), ".wav", "audio", "is no"
    ),
    "truncated wav": filed(lambda rng: cut(wav(tone()), rng), ".wav", "audio", "is cut off"),
    "truncated flac": filed(
        lambda rng: cut(wav(tone(1), form="FLAC"), rng), ".flac", "audio", "is (cut off|no sound)"
    ),
    "truncated ogg": filed(
        lambda rng: cut(wav(tone(1), form="OGG"), rng), ".ogg", "audio", "is (cut off|no sound)"
    ),
    "empty sound": filed(silent, ".wav", "audio", "has 0 samples"),
    "sound of NaN": filed(nan_sound, ".wav", "audio", "not finite"),
    "missing file": missing,
    "folder as file": folder_as_file,
    "address": lined(
        lambda rng: row(image="https://x.org/a.png"), "image", "nothing is downloaded"
    ),
    "path of wrong type": lined(
        lambda rng: row(image=rng.randint(0, 9)), "image", "is [0-9]: give"
    ),
    "not UTF-8": lined(lambda rng: replaced(rng, b"\xff"), "row", "0xff, not UTF-8"),
    "NUL byte": lined(lambda rng: replaced(rng, b"\0"), "row", "is not JSON: Invalid control"),
    "NUL character": lined(lambda rng: replaced(rng, b"\\u0000"), "question", "NUL character"),
    "half a character": lined(lambda rng: replaced(rng, b"\\ud83d"), "question", "half a char"),
    "byte order mark": lined(lambda rng: b"\xef\xbb\xbf" + row(), "row", "is not JSON: .*BOM"),
    "broken JSON": lined(lambda rng: row()[: -rng.randint(1, 9)], "row", "is not JSON: .*begins"),
    "two on a line": lined(lambda rng: row() + row(), "row", "is not JSON: Extra data"),
    "array": lined(lambda rng: b'["a", "b"]', "row", "is a JSON list"),
    "too deep": lined(lambda rng: b"[" * 100_000, "row", "nested too deeply"),
    "over-long": lined(
        lambda rng: row(question="x" * MAX_ROW_BYTES), "row", f"at most {MAX_ROW_BYTES} are read"
    ),
    "double key": lined(lambda rng: row()[:-1] + b', "answer": "that"}', "answer", "comes 2 times"),
    "no question": lined(lambda rng: b'{"answer": "a"}', "question", "is missing or null"),
    "question of wrong type": lined(lambda rng: row(question=["a"]), "question", r"is \['a'\]"),
    "no answer": lined(lambda rng: b'{"question": "a"}', "answer", "is missing or null"),
    "null answer": lined(lambda rng: row(answer=None), "answer", "is missing or null"),
    "empty answer": lined(lambda rng: row(answer=" " * rng.randint(0, 3)), "answer", "not empty"),
    "answer of wrong type": lined(lambda rng: row(answer={"a": 1}), "answer", r"is \{'a': 1\}"),
    "wrong answer among many": lined(
        lambda rng: row(answer=["a", True]), r"answer\[1\]", "is True"
    ),
    "no answers": lined(lambda rng: row(answer=[]), "answer", r"is \[\]: give at least one"),
    "NaN": lined(lambda rng: number(rng, "NaN"), "row", "holds NaN"),
    "infinite": lined(lambda rng: number(rng, f"{rng.randint(1, 9)}e999"), "row", "e999, .* large"),
    "unknown role": lined(
        lambda rng: messages(("user", "a"), ("narrator", text(rng))),
        r"messages\[1\].role",
        "is 'narrator'",
    ),
    "no assistant": lined(lambda rng: messages(("user", text(rng))), "messages", "has no turn of"),
    "assistant first": lined(
        lambda rng: messages(("assistant", text(rng))), r"messages\[0\]", "no turn of the user"
    ),
    "empty content": lined(
        lambda rng: messages(("user", []), ("assistant", "a")), r"messages\[0\].content", r"is \[\]"
    ),
    "unknown part": lined(
        lambda rng: messages(("user", [{"type": "video"}])), r"messages\[0\].content\[0\]", "video"
    ),
    "mark without image": lined(
        lambda rng: row(question=f"<image> {text(rng)}"), "question", "no image: the row names 0"
    ),
    "more images than marks": more_images,
}
