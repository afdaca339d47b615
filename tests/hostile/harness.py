"""Runs a command in a forked process, and records what it writes, runs and asks."""

import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coterie.cli.main import main

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {
    "os.remove": 1, "os.rename": 2, "os.rmdir": 1, "os.mkdir": 1, "os.link": 2, "os.symlink": 2,
    "os.truncate": 1, "os.chmod": 1, "os.chown": 1, "os.utime": 1, "shutil.rmtree": 1,
    "shutil.move": 2, "shutil.copyfile": 2,
}  # fmt: skip
"""Audit event -> how many of its first arguments are paths."""
RUNS = (
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.forkpty",
    "socket.connect", "pickle.find_class", "builtins.input",
)  # fmt: skip
"""Audit events of other programs, the network, pickles that name a class, and questions."""
ANSWERS = "y\n" * 100


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a command ended.

    Attributes:
        code: the exit code; None if it took longer than allowed.
        text: what it wrote to standard output and error.
        written: paths outside of the allowed folders that it wrote, made or removed.
        ran: other programs, code of the folder, pickles, connections and questions.
    """

    code: int | None
    text: str
    written: tuple[str, ...] = ()
    ran: tuple[str, ...] = ()

    @property
    def harm(self) -> list[str]:
        """What must be empty; a traceback counts, as nothing from a file may be a bug."""
        found = [f"wrote {each}" for each in self.written] + [f"ran {each}" for each in self.ran]
        found += ["hung"] if self.code is None else []
        return found + ([self.text[-1500:]] if "Traceback" in self.text else [])


class Recorder:
    """An audit hook: notes writes outside of `allowed`, and code that is run."""

    def __init__(self, allowed: Sequence[Path], hostile: Path) -> None:
        self.allowed = [os.path.realpath(each) for each in allowed] + ["/dev", "/proc"]
        self.hostile = os.path.realpath(hostile)
        self.written: list[str] = []
        self.ran: list[str] = []
        self.is_on = True

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.is_on:
            return
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES:
            self.note(arguments[0])
        elif event in CHANGES:
            for path in arguments[: CHANGES[event]]:
                self.note(path, follow=False)
        elif event in RUNS:
            self.ran.append(f"{event} {arguments!r}"[:200])
        elif event == "exec" and str(arguments[0].co_filename).startswith(self.hostile):
            self.ran.append(f"code of {arguments[0].co_filename}")

    def note(self, path: Any, *, follow: bool = True) -> None:
        """Note a path that is changed, unless it lies in an allowed folder."""
        if not isinstance(path, str | bytes | os.PathLike):
            return  # a descriptor, whose opening was seen
        self.is_on = False
        try:
            text = os.fsdecode(path)
            parent, name = os.path.split(os.path.abspath(text))
            real = os.path.join(os.path.realpath(parent), name)
            real = os.path.realpath(text) if follow else real
            if not any(real == each or real.startswith(each + os.sep) for each in self.allowed):
                self.written.append(real)
        finally:
            self.is_on = True


def attempt(
    work: Sequence[str] | Callable[[], Any], *, allowed: Sequence[Path], hostile: Path,
    limit_s: float = 60,
) -> Outcome:  # fmt: skip
    """Run a command line, or a function, in a process of its own that answers "y" to questions.

    Args:
        work: arguments of `coterie`, or a function.
        allowed: folders that it may write into.
        hostile: the folder from which no code may run.
        limit_s: after which it is killed.
    """
    scratch = Path(tempfile.mkdtemp())
    answers, said, found = scratch / "answers", scratch / "said", scratch / "found.json"
    answers.write_text(ANSWERS)
    child = os.fork()
    if not child:
        os.setsid()
        code = 99
        try:
            code = _work(work, (scratch, *allowed), hostile, answers, said, found)
        finally:
            os._exit(code)
    code = _wait(child, limit_s)
    noted = json.loads(found.read_text()) if found.exists() else {}
    return Outcome(
        code=code, text=said.read_text(errors="replace"), written=tuple(noted.get("written", ())),
        ran=tuple(noted.get("ran", ())),
    )  # fmt: skip


def _work(
    work: Sequence[str] | Callable[[], Any], allowed: Sequence[Path], hostile: Path,
    answers: Path, said: Path, found: Path,
) -> int:  # fmt: skip
    for number, file, flags in ((0, answers, os.O_RDONLY), (1, said, os.O_CREAT | os.O_WRONLY)):
        os.dup2(os.open(file, flags | os.O_APPEND, 0o600), number)
    os.dup2(1, 2)
    sys.stdin, sys.stdout = open(0), open(1, "w", closefd=False)
    sys.stderr = open(2, "w", closefd=False)
    os.environ["TMPDIR"] = os.environ["COTERIE_HOME"] = tempfile.tempdir = str(allowed[0])
    sys.dont_write_bytecode = True
    recorder = Recorder(allowed, hostile)
    sys.addaudithook(recorder)
    code = 98
    try:
        if callable(work):
            work()
            code = 0
        else:
            code = main(list(work))
    except BaseException:
        traceback.print_exc()
    recorder.is_on = False
    sys.stdout.flush()
    sys.stderr.flush()
    found.write_text(json.dumps({"written": recorder.written, "ran": recorder.ran}))
    return code


def _wait(child: int, limit_s: float) -> int | None:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None
