"""Ways to damage a file's bytes or text, each a function of a random generator and the content."""

import random
import re
from collections.abc import Callable

Change = Callable[[random.Random, bytes], bytes]


def cut(rng: random.Random, content: bytes) -> bytes:
    return content[: rng.randrange(max(1, len(content)))]


def lose_start(rng: random.Random, content: bytes) -> bytes:
    return content[rng.randrange(1, max(2, len(content) // 2)) :]


def lose_middle(rng: random.Random, content: bytes) -> bytes:
    first, last = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return content[:first] + content[last:]


def flip_bits(rng: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 3, 20))):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def flip_bits_of_the_header(rng: random.Random, content: bytes) -> bytes:
    return flip_bits(rng, content[:64]) + content[64:]


def overwrite(rng: random.Random, content: bytes) -> bytes:
    at, size = rng.randrange(max(1, len(content))), rng.choice((4, 64, 512))
    filler = rng.choice((rng.randbytes(size), b"\0" * size, b"\xff" * size))
    return content[:at] + filler + content[at + size :]


def insert(rng: random.Random, content: bytes) -> bytes:
    at = rng.randrange(len(content) + 1)
    return content[:at] + rng.randbytes(rng.choice((1, 16, 300))) + content[at:]


def repeat(rng: random.Random, content: bytes) -> bytes:
    return content + content[-rng.randrange(1, max(2, len(content))) :]


def shuffle(rng: random.Random, content: bytes) -> bytes:
    size = max(1, len(content) // 8)
    parts = [content[i : i + size] for i in range(0, len(content), size)]
    rng.shuffle(parts)
    return b"".join(parts)


def replace_by_another(rng: random.Random, content: bytes) -> bytes:
    pointer = b"version https://git-lfs.github.com/spec/v1\n"
    others = (b"", b"\n", b"\0", pointer, b"<!DOCTYPE html>",
              b"PK\x03\x04", b"\x1f\x8b\x08", b"\x80\x04\x95", rng.randbytes(1000))  # fmt: skip
    return rng.choice(others)


BYTES: tuple[Change, ...] = (
    cut, lose_start, lose_middle, flip_bits, flip_bits_of_the_header, overwrite, insert, repeat,
    shuffle, replace_by_another
)  # fmt: skip


def swap_a_mark(rng: random.Random, content: bytes) -> bytes:
    """Remove or double a bracket, quote, comma or line break, or put another in its place."""
    places = [found.start() for found in re.finditer(rb'[\[\]{}",:\n\t -]', content)]
    if not places:
        return content
    at = rng.choice(places)
    new = rng.choice(
        (b"", content[at : at + 1] * 2, b"]", b"}", b'"', b",", b"\n", b"\t", b"&", b"*")
    )
    return content[:at] + new + content[at + 1 :]


def swap_a_word(rng: random.Random, content: bytes) -> bytes:
    """Put a value of another type in the place of a word or number."""
    words = list(re.finditer(rb"[\w./-]+", content))
    if not words:
        return content
    word = rng.choice(words)
    new = rng.choice((
        b"null", b"true", b"3", b"-1", b"1e999", b"NaN", b"9" * 5000, b'""', b"[]", b"{}", b"~",
        b"../../x", b"/dev/zero", b"x" * 300, b"[1, [2, {}]]", b'"\\ud800"', b"\xff\xfe", b"\0",
        b"<image>", b"<video>", b"<depth>", b"https://x.org/a", b"data:image/png;base64,@", b"1_0",
        b"2020-99-99", b"!!python/name:os.system", b"*a", b"0x10", b"\xe2\x80\xa8"
    ))  # fmt: skip
    return content[: word.start()] + new + content[word.end() :]


def nest(rng: random.Random, content: bytes) -> bytes:
    """Put brackets around a word."""
    words = list(re.finditer(rb"\w+", content)) or [re.match(b"", content)]
    word, depth = rng.choice(words), rng.choice((2, 60, 900, 5000, 100_000))
    assert word is not None
    opening, closing = rng.choice(((b"[", b"]"), (b'{"a": ', b"}"), (b"[", b"")))
    inner = opening * depth + word[0] + closing * depth
    return content[: word.start()] + inner + content[word.end() :]


def lengthen(rng: random.Random, content: bytes) -> bytes:
    """Repeat a word or a line many times."""
    words = list(re.finditer(rng.choice((rb"\w+", rb"[^\n]+\n")), content))
    if not words:
        return content
    word = rng.choice(words)
    return content[: word.end()] + word[0] * rng.choice((10, 300, 3000)) + content[word.end() :]


def encode_otherwise(rng: random.Random, content: bytes) -> bytes:
    text = content.decode("utf-8", errors="replace")
    return text.encode(rng.choice(("utf-16", "utf-8-sig", "utf-32", "cp1252")), errors="replace")


def end_lines_otherwise(rng: random.Random, content: bytes) -> bytes:
    return content.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\n\n", b"", b"\x85")))


TEXT: tuple[Change, ...] = (
    swap_a_mark, swap_a_mark, swap_a_word, swap_a_word, swap_a_word, nest, lengthen, cut,
    lose_middle, flip_bits, insert, encode_otherwise, end_lines_otherwise, replace_by_another
)  # fmt: skip
