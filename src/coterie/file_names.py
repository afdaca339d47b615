"""`check_file_name`: names that a file may choose, and that become part of a path."""

import re

from coterie.annotations import abbreviate

MAX_BYTES = 100
"""A folder or file is called by the name and an ending; most file systems allow 255 bytes."""
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
