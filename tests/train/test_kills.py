"""A run of three stages, killed and stopped at random moments, and each of its files damaged.

Slow: each test says how much it did. `test_kill.py` has a few chosen places for every day.
"""

import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from coterie import Recipe
from coterie.train import Run
from coterie.train.interrupt import StoppedBySignal
from tests.forks import forked, status
from tests.train.small import content, hard, lines, trained

pytestmark = pytest.mark.slow
OPTIONS = {"accumulation": 2, "log_usage_every": 1, "patience": 9, "evaluate_every": 3}
KILLS, STOPS = 50, 20
DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "garbage": lambda content: bytes(random.Random(1).randbytes(max(64, len(content) // 3))),
    "removed": lambda content: None,
    "one bit": lambda content: flip(content),
}


def flip(content: bytes) -> bytes:
    place = random.Random(len(content)).randrange(len(content)) if content else 0
    return content[:place] + bytes(b ^ 4 for b in content[place : place + 1]) + content[place + 1 :]


def three() -> Recipe:
    """`hard` with a third stage."""
    recipe = hard()
    one, two = recipe.stages
    last = replace(two, name="three", steps=5, init="continue", trains=("experts",))
    return replace(recipe, stages=(one, two, replace(last, learning_rates={})))


def resumed(folder: Path) -> Run:
    return trained(folder, three(), resume=True, **OPTIONS)


def go_on(folder: Path, said: Path) -> None:
    """Resume in this process, a fork, and end as the command does: with a code and what it says."""
    os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    try:
        resumed(folder)
    except StoppedBySignal as stop:
        os._exit(stop.exit_code)
    except (ValueError, OSError) as error:
        print(f"refused: {error}", file=sys.stderr)
        os._exit(2)
    except BaseException:
        traceback.print_exc(file=sys.stderr)
        os._exit(1)
    os._exit(0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained(tmp_path_factory.mktemp("whole") / "run", three(), **OPTIONS)


@pytest.fixture(scope="module")
def seconds(whole: Run, tmp_path_factory: pytest.TempPathFactory) -> float:
    """How long an undisturbed run takes in a fork."""
    place = tmp_path_factory.mktemp("timed")
    start = time.monotonic()
    assert status(forked(lambda: go_on(place / "run", place / "said"))) == 0
    return time.monotonic() - start


def interrupt(number: int, count: int, whole: Run, seconds: float, folder: Path) -> Counter[int]:
    """Send a signal `count` times at random moments; every run must end as the undisturbed one."""
    lots, ends = random.Random(number), Counter[int]()
    runs = sent = 0
    while sent < count:
        run = folder / str(runs)
        runs += 1
        ended = -1
        while ended != 0:
            child = forked(lambda run=run: go_on(run, folder / "said"))
            if sent < count:
                # The first of each run early: the first files are written then.
                longest = seconds if run.exists() else seconds / 4
                time.sleep(lots.uniform(0, longest))
                os.kill(child, number)
            ended = status(child)
            if ended != 0:
                assert ended in (-number, 128 + number), (folder / "said").read_text()
                sent += 1
            ends[ended] += 1
        assert content(Run.read(run)) == content(whole)
        assert lines(Run.read(run)) == lines(whole)
    print(f"{sent} signals {number} in {runs} runs: {dict(ends)}")
    return ends


def test_kills(whole: Run, seconds: float, tmp_path: Path) -> None:
    ends = interrupt(signal.SIGKILL, KILLS, whole, seconds, tmp_path)
    assert ends[-signal.SIGKILL] == KILLS


def test_stops(whole: Run, seconds: float, tmp_path: Path) -> None:
    ends = interrupt(signal.SIGTERM, STOPS, whole, seconds, tmp_path)
    # Before training begins there is nothing to save, and the signal ends the process.
    assert ends[-signal.SIGTERM] + ends[143] == STOPS and ends[143] > 0


@pytest.fixture(scope="module")
def stopped(whole: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed in its third stage, at step 3 of 5, with a checkpoint at step 2."""
    from coterie.train.trainer import MixtureTrainer

    folder = tmp_path_factory.mktemp("stopped") / "run"
    real = MixtureTrainer.compute_loss

    def fatal(self: MixtureTrainer, *args: object, **kwargs: object) -> object:
        if self.stage_context.number == 2 and self.state.global_step == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(self, *args, **kwargs)

    def die() -> None:
        MixtureTrainer.compute_loss = fatal
        resumed(folder)

    assert status(forked(die)) == -signal.SIGKILL
    return folder


def test_damaged_files_of_a_stopped_run(whole: Run, stopped: Path, tmp_path: Path) -> None:
    found = Counter[str]()
    files = sorted(each.relative_to(stopped) for each in stopped.rglob("*") if each.is_file())
    for file in files:
        for kind, damage in DAMAGES.items():
            run, said = tmp_path / "run", tmp_path / "said"
            shutil.rmtree(run, ignore_errors=True)
            shutil.copytree(stopped, run)
            break_file(run / file, damage)
            code, text = status(forked(lambda run=run, said=said: go_on(run, said))), ""
            text = said.read_text()
            where = f"{file}, {kind}: exit {code}: {text}"
            assert "Traceback" not in text, where
            if code == 0:
                again = Run.read(run)
                assert content(again) == content(whole), where
                if lines(again) != lines(whole):
                    assert "log.jsonl was damaged" in text, where
                    found["recovered, with a word on the log"] += 1
                else:
                    found["recovered, with a word" if "damaged" in text else "recovered"] += 1
            else:
                assert code == 2 and text.count("refused: ") == 1, where
                assert file.name in text or str(run) in text, where
                found["refused"] += 1
    print(f"{len(files)} files of a stopped run, {len(DAMAGES)} damages each: {dict(found)}")


def test_damaged_files_of_a_finished_run(
    whole: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = torch.tensor([[5, 6, 7, 8]])
    wanted = whole.load().model(input_ids=ids).logits
    found = Counter[str]()
    # What an answer depends on; the checkpoints of a finished run are not read.
    files = [each for each in sorted(whole.folder.rglob("*")) if each.is_file()]
    files = [each.relative_to(whole.folder) for each in files if "checkpoint-" not in str(each)]
    for file in files:
        for kind, damage in DAMAGES.items():
            run = tmp_path / "run"
            shutil.rmtree(run, ignore_errors=True)
            shutil.copytree(whole.folder, run)
            break_file(run / file, damage)
            capsys.readouterr()
            try:
                logits = Run.read(run).load().model(input_ids=ids).logits
            except (ValueError, OSError) as error:
                found["refused"] += 1
                assert file.name in str(error) or str(run) in str(error), (file, kind, error)
                continue
            said = capsys.readouterr().err
            is_told = "run.json was edited or damaged" in said
            assert torch.equal(logits, wanted) or is_told, (file, kind)
            found["loaded, with a word" if said else "loaded"] += 1
    print(f"{len(files)} files of a finished run, {len(DAMAGES)} damages each: {dict(found)}")


def break_file(file: Path, damage: Callable[[bytes], bytes | None]) -> None:
    damaged = damage(file.read_bytes())
    if damaged is None:
        file.unlink()
    else:
        file.write_bytes(damaged)
