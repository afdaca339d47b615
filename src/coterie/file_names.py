"""`check_file_name`: names that a file may choose, and that become part of a path."""

import errno
import os
import re
import unicodedata
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from coterie.annotations import abbreviate, format_suggestions

MAX_BYTES = 100
"""A folder or file is called by the name and an ending; most file systems allow 255 bytes."""
LONGEST_PART_BYTES = 255
"""Of a file's or folder's name, on most file systems."""
MAX_COMPARED = 10_000
"""Names in a folder that are compared with one that is not there: some hold millions."""
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names of devices on Windows, with any ending: a run with such a file cannot be copied there."""


def find_name_problem(name: object, kind: str) -> str:
    """Return what forbids `name` as the name of a file or folder, and what to give; "" if nothing.

    A name is printable text, up to 100 bytes of UTF-8, without slashes, and starts neither with a
    dot (hidden, or "..") nor with a dash (an option of commands).
    """
    if not isinstance(name, str) or not name.strip():
        return f"give a {kind}'s name as text"
    reason = f"files are named for {kind}s, so no"
    if set(name) & set("/\\"):
        return f"{reason} slashes"
    if not name.isprintable() or name != name.strip():
        return f"{reason} control characters, and no white space at the ends"
    if name[0] in ".-" or name[-1] == ".":
        return f"{reason} dot or dash at the start, and no dot at the end"
    if len(name.encode()) > MAX_BYTES:
        return f"{reason} more than {MAX_BYTES} bytes"
    return f"{reason} name that is a device on Windows" if RESERVED.fullmatch(name) else ""


def check_file_name(name: object, what: str, *, kind: str) -> None:
    """Raise ValueError unless `name` can name a file or folder.

    Stages, tasks, splits and systems are named in files that may come from anyone, and files and
    folders of a run are called by these names.

    Args:
        name: the name, or what a file has in its place.
        what: the beginning of the message, such as "tasks[0].name".
        kind: what has the name, such as "task".
    """
    if problem := find_name_problem(name, kind):
        raise ValueError(f"{what} = {abbreviate(name)}: {problem}")


def find_colliding(names: Sequence[str]) -> tuple[int, int] | None:
    """Return the indices of two names that one file could have; None for none.

    macOS and Windows take names for one that differ in capitals alone, and macOS those that differ
    in how Unicode writes a letter with its mark: a run with both cannot be copied there.
    """
    seen: dict[str, int] = {}
    for i, name in enumerate(names):
        folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
        if (first := seen.setdefault(folded, i)) < i:
            return first, i
    return None


def check_names_differ(names: Sequence[str], what: str, *, kind: str) -> None:
    """Raise ValueError for two names that one file could have, see `find_colliding`.

    `what` is the beginning of the message, `kind` what has the names.
    """
    if (found := find_colliding(names)) is None:
        return
    one, other = (names[i] for i in found)
    advice = f"give each {kind} a name of its own"
    if one == other:
        raise ValueError(f"{what}: the name {one!r} is there twice; {advice}")
    raise ValueError(
        f"{what}: the names {one!a} and {other!a} differ in capitals or in the form of a letter "
        f"alone, and some disks would put the files of both into one; {advice}"
    )


def describe_long_path(path: str) -> str:
    """Return what is too long about a path that the system refuses as too long, and what to do."""
    sizes = {part: len(os.fsencode(part)) for part in Path(path).parts}
    part = next((part for part, size in sizes.items() if size > LONGEST_PART_BYTES), "")
    if part:
        problem = f"the name {part[:40]}... in it has {sizes[part]} bytes"
        return f"{problem}, and disks take {LONGEST_PART_BYTES}: give a shorter one"
    return f"it has {len(os.fsencode(path))} bytes, more than the system takes: give a shorter one"


def suggest_path(path: str) -> str:
    """Return advice on a path at which nothing is; "" for none."""
    try:
        os.lstat(path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return f"; {describe_long_path(path)}"
    if "file:/" in path:
        return "; give the path without file://"
    if re.search(r"\$\{?[A-Za-z_]", path):
        return "; variables such as $HOME are not replaced here: give the path itself"
    return "; write / in place of \\ between folders" if "\\" in path else ""


def suggest_file(path: str) -> str:
    """Return the advice of `suggest_path`, or the file or folder beside it that may be meant."""
    if advice := suggest_path(path):
        return advice
    try:
        with os.scandir(os.path.dirname(path) or ".") as entries:
            names = [entry.name for entry in islice(entries, MAX_COMPARED)]
    except OSError:
        return ""
    return format_suggestions(os.path.basename(path), names)


def find_unicode_form(path: str) -> str:
    """Return a path in the Unicode form in which it exists; as it is given if in none.

    macOS writes a letter with a mark as two characters, where most write one, and other systems
    take these for different names.
    """
    forms = () if path.isascii() else ("NFC", "NFD")
    others = (unicodedata.normalize(form, path) for form in forms)
    return next((each for each in (path, *others) if os.path.lexists(each)), path)
