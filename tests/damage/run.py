"""Runs damaged inputs in processes with limits on time and memory, and judges what was said."""

import json
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

from coterie.data.dataset import RowError
from tests.damage.inputs import Damaged

MAX_SECONDS = 60
MAX_BYTES = 2 * 2**30
KIB = 1024


@dataclass(frozen=True)
class Outcome:
    """What became of an input: "read", "refused", or what is wrong about it."""

    kind: str
    name: str
    verdict: str
    said: str


class HangError(BaseException):
    """Raised at the limit of time; no handler of errors may take it for one."""


def judge(damaged: Damaged) -> Outcome:
    """Read one input, and say what became of it."""
    verdict, said = "read", ""
    signal.alarm(MAX_SECONDS)
    try:
        damaged.read()
    except (ValueError, OSError) as error:
        said, verdict = str(error), "refused"
        lines = said.splitlines() or [""]
        # The list of bad rows is indented.
        if not said.strip() or any(not line.startswith("  ") for line in lines[1:]):
            verdict = f"not one line ({type(error).__name__})"
        elif damaged.source not in said and not isinstance(error, RowError):
            verdict = "the file is not named"
        elif any(len(line) > 2000 for line in lines):
            verdict = "more than 2000 characters"
    except HangError:
        verdict = f"over {MAX_SECONDS} s"
    except BaseException as error:
        verdict, said = f"TRACEBACK {type(error).__name__}", str(error)[:300]
    finally:
        signal.alarm(0)
    if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB > MAX_BYTES:
        verdict = f"over {MAX_BYTES} bytes of memory"
    return Outcome(damaged.kind, damaged.name, verdict, said[:3000])


def run(inputs: Sequence[Damaged]) -> list[Outcome]:
    """Judge inputs in a process of their own; one that ends it is the first without an outcome."""
    with tempfile.TemporaryFile("w+") as file:
        child = os.fork()
        if not child:
            _judge_all(inputs, file)
        os.waitpid(child, 0)
        file.seek(0)
        found = [Outcome(**json.loads(line)) for line in file]
    if len(found) < len(inputs):
        lost = inputs[len(found)]
        found.append(Outcome(lost.kind, lost.name, "TRACEBACK: the process ended", ""))
        found += run(inputs[len(found) :])
    return found


def _judge_all(inputs: Sequence[Damaged], file) -> None:
    """Judge all in this process, and end it."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise HangError

    signal.signal(signal.SIGALRM, stop)
    with open(os.devnull, "w") as nothing, redirect_stdout(nothing), redirect_stderr(nothing):
        sys.stdin = open(os.devnull)
        for damaged in inputs:
            file.write(json.dumps(asdict(judge(damaged))) + "\n")
            file.flush()
    os._exit(0)


def run_all(inputs: Iterator[Damaged], folder: Path, size: int = 50) -> list[Outcome]:
    """Judge inputs, so many in each process."""
    os.chdir(folder)
    everything = list(inputs)
    return [outcome for start in range(0, len(everything), size)
            for outcome in run(everything[start : start + size])]  # fmt: skip
