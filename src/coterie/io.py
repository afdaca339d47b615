"""Files that appear whole: written beside their place, synchronised, and then renamed."""

import errno
import json
import math
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from coterie.file_names import describe_long_path, suggest_file

PARTIAL = ".partial"
"""The end of the names of unfinished files and folders."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)


class WriteError(OSError):
    """A file cannot be written: its message is a sentence with the file, the cause and advice."""

    def __str__(self) -> str:
        return str(self.strerror)


@contextmanager
def explain_write_errors(path: Path, advice: str = "", place: str = "a folder") -> Iterator[None]:
    """Raise WriteError, which names `path`, where writing there fails within the block.

    Errors about a file elsewhere, which name it, pass. `place` is what else could be given.
    """
    try:
        yield
    except WriteError:
        raise
    except (OSError, SafetensorError) as error:
        number = _find_errno(error)
        if number is None or _is_elsewhere(error, path):
            raise
        if number in FULL:
            given = advice or "Make room and run it again"
        elif number in REFUSED:
            given = f"Give {place} that this user may write to, or change its permissions"
        else:
            given = advice or "Give another place"
        cause = "a component of the path is no folder" if number == errno.ENOTDIR else ""
        cause = describe_long_path(str(path)) if number == errno.ENAMETOOLONG else cause
        cause = cause or os.strerror(number)
        raise WriteError(number, f"{path!s:.300} cannot be written: {cause}. {given}") from error


def _find_errno(error: Exception) -> int | None:
    """Return the system's error number, also of safetensors' errors, which hold it as text."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"os error (\d+)", str(error))
    return int(found[1]) if found else None


def _is_elsewhere(error: Exception, path: Path) -> bool:
    named = error.filename if isinstance(error, OSError) else None
    folder = path.parent.absolute()
    return isinstance(named, str) and not Path(named).absolute().is_relative_to(folder)


def write(path: Path, text: str) -> Path:
    """Write `text` whole: an interrupted process leaves the old file or the new one."""
    ending = "\n" if text and not text.endswith("\n") else ""
    return write_with(path, lambda file: file.write((text + ending).encode()))


def write_with(path: Path, fill: Callable[[BinaryIO], object]) -> Path:
    """Write whole what `fill` writes into an opened file. Raises WriteError, naming `path`."""
    path = path.expanduser()
    with explain_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # A name for each process, so that two never write one file; a link there is not followed.
        partial = path.with_name(f"{path.name}.{os.getpid()}{PARTIAL}")
        partial.unlink(missing_ok=True)
        try:
            with partial.open("xb") as file:
                fill(file)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        sync(path.parent)
    return path


def append_line(path: Path, text: str) -> None:
    """Append a line to a file. Raises WriteError, naming it."""
    with explain_write_errors(path), path.open("a", encoding="utf-8") as file:
        file.write(text + "\n")


def save_tensors(
    tensors: dict[str, Tensor], path: Path, metadata: dict[str, str] | None = None
) -> None:
    """Write a safetensors file, readable for those whom the umask allows to read it.

    It is not renamed: for a file in a folder that `commit` makes appear. Raises WriteError.
    """
    with explain_write_errors(path):
        save_file(tensors, path, metadata=metadata)
        set_mode(path)


def set_mode(path: Path) -> None:
    """Let those read a file or folder whom the umask allows to; safetensors hides its files."""
    mask = os.umask(0o077)
    os.umask(mask)
    executable = 0o777 if path.is_dir() else path.stat().st_mode & 0o111
    with suppress(PermissionError):  # some file systems have no modes
        path.chmod((0o666 | executable) & ~mask)


def sync(path: Path) -> None:
    """Wait until a file's bytes, or the names in a folder, are on the disk."""
    is_folder = path.is_dir()
    if is_folder and os.name == "nt":  # it cannot open a folder
        return
    opened = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def write_json(path: Path, data: Any) -> Path:
    """Write JSON whole; numbers that are not finite become null."""
    text = json.dumps(replace_non_finite(data), indent=2, ensure_ascii=False, allow_nan=False)
    return write(path, text)


def check_regular_file(path: Path) -> os.stat_result:
    """Return the status of a file that exists and is regular; of a link, of what it points to.

    Raises OSError, also for FIFOs and devices, which may give bytes without end, or none.
    """
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file, but a device, a pipe or a socket")
    return status


def read_regular_file(path: Path, max_bytes: int) -> bytes:
    """Return a file's bytes. Raises OSError, also for a larger file than `max_bytes`."""
    size = check_regular_file(path).st_size
    if size > max_bytes:
        raise OSError(errno.EFBIG, f"it has {size} bytes, and at most {max_bytes} are read")
    with path.open("rb") as file:
        return file.read(max_bytes)


def read_json(path: Path) -> Any:
    """Return the JSON in a file. Raises ValueError, naming the file, if it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({error}): remove it and evaluate again") from error


MAX_CONFIG_BYTES = 16 * 2**20
"""Size of a configuration file; that of a run with hundreds of tasks has a hundredth of it."""


def read_text(path: Path) -> str:
    """Return the UTF-8 text of a file. Raises ValueError, which names it, if it is none."""
    try:
        return read_regular_file(path, MAX_CONFIG_BYTES).decode("utf-8")
    except OSError as error:
        reason = f"{error.strerror}{suggest_file(str(path))}"
        raise ValueError(f"{path!s:.300} cannot be read: {reason}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: byte {error.start} is wrong") from None


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSON lines file; none if there is no file.

    Lines without an object, such as one that an interruption cut off, are skipped.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    found = []
    for line in text.split("\n"):  # not splitlines: JSON may hold U+2028
        with suppress(ValueError, RecursionError):
            found.append(json.loads(line))
    return [row for row in found if isinstance(row, dict)]


def replace_non_finite(data: Any) -> Any:
    """Return `data` with None for every number that is not finite, and lists for tuples."""
    match data:
        case float() if not math.isfinite(data):
            return None
        case Mapping():
            return {key: replace_non_finite(value) for key, value in data.items()}
        case list() | tuple():
            return [replace_non_finite(value) for value in data]
    return data


@contextmanager
def make_scratch_dir(target: Path) -> Iterator[Path]:
    """Yield an empty folder on the disk of `target`, removed afterwards; one process at a time.

    What an interrupted process left there is removed first. A process that waited must check again
    whether `target` exists. Raises WriteError, naming `target`, where the block cannot write.
    """
    scratch = target.parent / f".{target.name}{PARTIAL}"
    with explain_write_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.parent / f".{target.name}.lock"):
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir()
            try:
                yield scratch
            finally:
                shutil.rmtree(scratch, ignore_errors=True)


def commit(made: Path, target: Path) -> None:
    """Rename `made`, a file or folder, to `target`, in the place of an older one.

    Its files get the umask's mode. Their bytes and names are on the disk before the rename, and
    the new name after it, so that a power cut leaves the old one or the new one.
    """
    for each in (*made.rglob("*"), made):
        set_mode(each)
        sync(each)
    made.replace(target)
    sync(target.parent)
