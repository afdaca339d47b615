"""Places of the items of lists in a JSON file of any size, found without parsing them."""

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

from coterie.data.sources.base import MAX_ROW_BYTES

CHUNK_BYTES = 2**20
MAX_DEPTH = 1000
"""Files with more open brackets are refused."""
# Possessive: a text without its closing quote is given up at once.
TOKEN = re.compile(
    rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|(?P<open>"[^\0]*)|[\[\]{},:]|[^\s"\[\]{},:]++', re.DOTALL
)


class Span(NamedTuple):
    """Where a value is in a file: its first byte, and that behind its last."""

    start: int
    end: int


def scan_lists(path: Path, name: str) -> dict[str, list[Span]]:
    """Return key -> the items of the list under it, of a file's object; of a list, under "".

    Only texts and brackets are told apart, with a chunk of the file in memory. Raises ValueError,
    which calls the file `name`, if it is cut off or has brackets that do not match.
    """
    scanner = ListScanner(name)
    try:
        with path.open("rb") as file:
            for span, token in split_tokens(file, name):
                scanner.take(span, token)
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error.strerror}") from None
    return scanner.finish()


def split_tokens(file: object, name: str) -> Iterator[tuple[Span, bytes]]:
    """Yield brackets, commas, colons, texts in quotes, and other words, with their places."""
    offset, kept = 0, b""
    while True:
        chunk = file.read(CHUNK_BYTES)  # pyright: ignore[reportAttributeAccessIssue]
        if offset == 0 and not kept and chunk.startswith(codecs.BOM_UTF8):
            chunk, offset = chunk.removeprefix(codecs.BOM_UTF8), len(codecs.BOM_UTF8)
        text, end = kept + chunk, 0
        for match in TOKEN.finditer(text):
            # What ends with the chunk may go on in the next.
            if match["open"] is not None or (chunk and match.end() == len(text)):
                break
            end = match.end()
            yield Span(offset + match.start(), offset + end), match[0]
        else:
            end = len(text)
        offset, kept = offset + end, text[end:]
        if len(kept.lstrip()) > 2 * MAX_ROW_BYTES:
            raise ValueError(
                f"{name}: a text of more than {2 * MAX_ROW_BYTES} bytes begins at byte {offset}: "
                "its closing quote may be missing; keep pictures and sounds in files of their own"
            )
        if not chunk:
            break
    if kept.strip():
        start = offset + len(kept) - len(kept.lstrip())
        raise ValueError(f"{name} is cut off in the text that begins at byte {start}")


class ListScanner:
    """The state of a scan: the open brackets, and the list whose items are being found."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.open: list[bytes] = []
        self.lists: dict[str, list[Span]] = {}
        self.items: list[Span] | None = None
        self.depth = 0  # of open brackets around the items
        self.start: int | None = None  # of the item
        self.last_end = 0
        self.text = b'""'  # the last one, which may be a key
        self.is_closed = False

    def take(self, span: Span, token: bytes) -> None:
        """Go on by a token."""
        if self.is_closed:
            self.fail(span, "has more after the end of its list or object")
        is_between = self.items is not None and len(self.open) == self.depth
        if token in (b"]", b"}"):
            self.close(span, token)
        elif token == b"," and is_between:
            self.end_item()
        elif token not in (b",", b":"):
            if is_between and self.start is None:
                self.start = span.start
            self.take_value(span, token)
        self.last_end = span.end

    def take_value(self, span: Span, token: bytes) -> None:
        if token in (b"[", b"{"):
            self.begin(span, token)
        elif not self.open:
            self.fail(span, f"is not JSON: it begins {token[:20]!r}")
        elif token.startswith(b'"') and len(self.open) == 1:
            self.text = token

    def begin(self, span: Span, token: bytes) -> None:
        self.open.append(token)
        if len(self.open) > MAX_DEPTH:
            self.fail(span, f"has more than {MAX_DEPTH} open brackets")
        if token == b"[" and self.items is None and self.open in ([b"["], [b"{", b"["]):
            key = "" if len(self.open) == 1 else decode_key(self.text)
            if key in self.lists:
                self.fail(span, f"has the key {key[:40]!r} twice")
            self.items, self.depth, self.start = [], len(self.open), None
            self.lists[key] = self.items

    def close(self, span: Span, token: bytes) -> None:
        if not self.open or (self.open[-1] + token) not in (b"[]", b"{}"):
            self.fail(span, f"is not JSON: {token.decode()} closes nothing")
        if self.items is not None and len(self.open) == self.depth:
            self.end_item()
            self.items = None
        self.open.pop()
        self.is_closed = not self.open

    def end_item(self) -> None:
        if self.items is not None and self.start is not None:
            self.items.append(Span(self.start, self.last_end))
        self.start = None

    def finish(self) -> dict[str, list[Span]]:
        """Return what was found. Raises ValueError if brackets are open."""
        if self.open:
            raise ValueError(f"{self.name} is cut off: {len(self.open)} brackets are not closed")
        if not self.is_closed:
            raise ValueError(f"{self.name} is empty: give a list of objects")
        return self.lists

    def fail(self, span: Span, problem: str) -> NoReturn:
        raise ValueError(f"{self.name} {problem} (byte {span.start})")


def decode_key(text: bytes) -> str:
    """Return the text of a key, or "?" for one that is no text."""
    try:
        return str(json.loads(text))
    except ValueError:
        return "?"
