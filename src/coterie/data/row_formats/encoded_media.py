"""Media written into the row itself: data URLs, base64, and file:// addresses."""

import base64
import binascii
import re
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from coterie.data.dataset import RowError

MIN_CHARACTERS = 64
"""Shorter text is a path: no picture or sound is smaller than 48 bytes."""
MAX_NAME_CHARACTERS = 255
"""Longer text is no name of a file."""
BASE64 = re.compile(rf"[A-Za-z0-9+/\s]{{{MIN_CHARACTERS},}}={{0,2}}\s*")


def parse_encoded(value: str, field: str, folder: Path) -> bytes | str:
    """Return the bytes of a data URL or of base64, the path of a file:// URL, or else `value`.

    A long text of base64's letters alone is base64, unless `folder` has a file of that name: a path
    has a dot before its extension. Raises RowError for what is damaged, and for other addresses,
    as nothing is downloaded.
    """
    scheme = value[:16].partition(":")[0].lower() if ":" in value[:16] else ""
    if scheme == "data":
        return parse_data_url(value, field)
    if scheme == "file":
        return parse_file_url(value, field)
    if "://" in value[:16]:
        address = value[:57]
        raise RowError(field, f"is the address {address!r}: nothing is downloaded; give a local "
                              "path, a data: URL or base64")  # fmt: skip
    if not BASE64.fullmatch(value):
        return value
    is_file = len(value) <= MAX_NAME_CHARACTERS and (folder / value).is_file()
    return value if is_file else decode_base64(value, field)


def parse_data_url(value: str, field: str) -> bytes:
    """Return the bytes of a data: URL, as of "data:image/png;base64,iVBOR..."."""
    head, comma, data = value.partition(",")
    if not comma:
        problem = f"is a data URL without a comma, {value[:40]!r}"
        raise RowError(field, f"{problem}: write data:image/png;base64,...")
    if head.lower().endswith(";base64"):
        return decode_base64(unquote(data), field)
    return unquote_to_bytes(data)


def parse_file_url(value: str, field: str) -> str:
    """Return the path of "file:///folder/a%20b.png"; relative ones, as file://a.png, too."""
    parts = urlsplit(value)
    host = "" if parts.netloc == "localhost" else parts.netloc
    path = unquote(value.partition(":")[2].removeprefix(f"//{parts.netloc}"))
    if not (host or path):
        raise RowError(field, f"is {value!r}, which names no file: give file:// and a path")
    return f"{unquote(host)}{path}"


def decode_base64(value: str, field: str) -> bytes:
    """Decode base64, with or without the padding at its end, also that for URLs."""
    text = "".join(value.split()).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise RowError(field, f"is damaged base64, which begins {value[:24]!r}: {error}") from None
