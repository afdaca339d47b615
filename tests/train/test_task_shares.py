"""Shares that validation adapts: by hand, in a run, in a stopped one, and in two processes."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coterie.data import ShareAdaptation, TaskSampling
from coterie.train import Run, train
from coterie.train.task_shares import TaskShares
from coterie.train.trainer import MixtureTrainer
from tests.processes import in_two
from tests.train.small import base, content, lines, plain, tasks, trained

MIX = TaskSampling(
    temperature="equal", one_task_per_batch=True, adaptation=ShareAdaptation(step=0.2)
)
OPTIONS: dict[str, Any] = {"mix": MIX, "evaluate_every": 2, "steps": 8, "log_every": 1}


def adapted(folder: Path, **more: Any) -> Run:
    return trained(folder, plain(learning_rate=3e-2), **OPTIONS | more)


def list_tasks(run: Run) -> list[str]:
    """The task of each step."""
    return ["+".join(line["task_loss"]) for line in run.read_log()]


def test_by_hand() -> None:
    shares = TaskShares(ShareAdaptation(step=0.2), {"a": 0.5, "b": 0.5}, steps=8)
    shares.update(2, {"a": 4.0, "b": 2.0})  # the first losses: all are at 1 of them
    assert shares.current == {"a": 0.5, "b": 0.5}
    # a is at 3/4, b at 1/4, and half of the steps are left: 0.1 moves to a.
    shares.update(4, {"a": 3.0, "b": 0.5})
    assert shares.current == pytest.approx({"a": 0.6, "b": 0.4})
    # a is at 1/4 now, b unknown: nothing to compare.
    shares.update(6, {"a": 1.0})
    assert shares.current == pytest.approx({"a": 0.6, "b": 0.4})
    wanted = [[0.5, 0.5]] * 4 + [[0.6, 0.4]] * 4
    np.testing.assert_allclose(shares.list_by_step(), wanted)
    again = TaskShares(ShareAdaptation(step=0.2), {"a": 0.5, "b": 0.5}, steps=8)
    again.load_state_dict(shares.state_dict())
    assert again.changes == shares.changes and again.first_losses == {"a": 4.0, "b": 2.0}


def test_a_run_gives_the_task_that_lags_more_steps(tmp_path: Path) -> None:
    run = adapted(tmp_path / "run", steps=12)
    records = [line for line in run.read_log() if "validation_loss" in line]
    first = records[0]["validation_loss"]
    before = {name: 0.5 for name in first}
    for number, line in enumerate(records):
        relative = {name: loss / first[name] for name, loss in line["validation_loss"].items()}
        ahead, behind = sorted(relative, key=relative.__getitem__)
        moved = 0.2 * (1 - (2 + 2 * number) / 12) if number else 0.0
        wanted = before | {behind: before[behind] + moved, ahead: before[ahead] - moved}
        assert line["task_shares"] == pytest.approx(wanted if number else before)
        before = line["task_shares"]
    # One task a step, in turn until shares differ.
    tasks = list_tasks(run)
    assert set(tasks) == set(first) and tasks[:4] in ([*first] * 2, [*reversed(first)] * 2)


def test_a_stopped_run_goes_on_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, real, calls = adapted(tmp_path / "whole"), MixtureTrainer.compute_loss, []

    def pressed(*args: Any, **more: Any) -> Any:
        calls.append(args)
        if len(calls) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return real(*args, **more)

    with monkeypatch.context() as patched:
        patched.setattr(MixtureTrainer, "compute_loss", pressed)
        with pytest.raises(KeyboardInterrupt, match="stopped after step 5"):
            adapted(tmp_path / "cut")
    cut = adapted(tmp_path / "cut", resume=True)
    assert lines(cut) == lines(whole) and content(cut) == content(whole)
    shares = [line["task_shares"] for line in whole.read_log() if "task_shares" in line]
    assert shares[-1] != shares[0]  # there was something to lose


def test_two_processes_take_the_same_shares(tmp_path: Path) -> None:
    alone = adapted(tmp_path / "alone")
    assert in_two(tmp_path / "two", lambda rank: adapted(tmp_path / "two")) == [(0, ""), (0, "")]
    together = Run.read(tmp_path / "two")
    assert list_tasks(together) == list_tasks(alone)
    for one, two in zip(alone.read_log(), together.read_log(), strict=True):
        assert two["loss"] == pytest.approx(one["loss"], rel=1e-4)
        assert two.get("task_shares") == pytest.approx(one.get("task_shares"))


def test_what_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Give evaluate_every, and workers=0"):
        adapted(tmp_path / "x", workers=1)
    with pytest.raises(ValueError, match="Give evaluate_every, and workers=0"):
        adapted(tmp_path / "x", evaluate_every=None)
    lowest = TaskSampling(adaptation=ShareAdaptation(lowest=0.6))
    with pytest.raises(ValueError, match=r"a lowest share of at most 0\.5"):
        adapted(tmp_path / "x", mix=lowest)
    with pytest.raises(ValueError, match="of two tasks or more, and caption has validation rows"):
        adapt_without(tmp_path / "y", "ocr")
    with pytest.raises(ValueError, match="evaluate_every=2: no task has validation rows; name a"):
        adapt_without(tmp_path / "y", "caption", "ocr")
    with pytest.raises(ValueError, match="a stage of 1 tasks needs two or more"):
        trained(tmp_path / "y", plain(tasks=("ocr",)), **OPTIONS)


def adapt_without(folder: Path, *names: str) -> Run:
    """Train where these tasks have no validation rows."""
    changed = tuple(
        replace(each, rows={"train": each.rows["train"]}) if each.name in names else each
        for each in tasks()
    )
    return train(plain(), base=base(), tasks=changed, out=folder, progress=False, **OPTIONS)
