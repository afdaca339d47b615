"""Logging integrations: events on a full disk, what is not installed, and the losses shown."""

import errno
import threading
from pathlib import Path

import pytest

from coterie.train.callbacks import (
    RunTensorBoardCallback,
    check_integrations,
    describe_losses,
    ignore_event_errors,
    make_callbacks,
)
from coterie.train.running_sums import LossSums


class FullWriter:
    """A SummaryWriter whose thread has found the disk full."""

    def add_scalar(self, *args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_training_goes_on_without_events(capsys: pytest.CaptureFixture[str]) -> None:
    callback = RunTensorBoardCallback(FullWriter(), Path("run/events/one"))
    for _ in range(2):  # told once
        callback.on_log(None, Always(), None, logs={"loss": 1.0})
    assert capsys.readouterr().err == (
        "run/events/one: TensorBoard's events cannot be written (No space left on device); "
        "training goes on without them\n"
    )


class Always:
    is_world_process_zero = True
    global_step = 1


def test_a_folder_that_cannot_be_made_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "events").touch()  # a file
    assert make_callbacks(tmp_path / "events" / "one", (), step=0) == []
    assert "TensorBoard's events cannot be written" in capsys.readouterr().err


def test_only_the_writers_error_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", shown.append)
    writer = type("Writer", (threading.Thread,), {"__module__": "tensorboard.summary.writer.x"})
    full, bug = OSError(errno.ENOSPC, "No space left on device"), TypeError("a bug")
    with ignore_event_errors():
        for error, thread in ((full, writer()), (bug, writer()), (full, threading.Thread())):
            threading.excepthook(threading.ExceptHookArgs((type(error), error, None, thread)))
    assert [each.exc_value for each in shown] == [bug, full]
    assert threading.excepthook == shown.append


def test_an_integration_that_is_missing_is_told_in_one_line() -> None:
    with pytest.raises(ValueError, match=r"^report_to='wandb': WandbCallback requires wandb .*"):
        check_integrations(("wandb",))
    with pytest.raises(ValueError, match="report_to='wundb': wundb is not supported"):
        check_integrations(("wundb",))
    check_integrations(())


def test_losses_are_means_over_several_steps():
    first = LossSums(2.0, (6.0, 0.0, 4.0), (2.0, 0.0, 1.0))
    both = LossSums(5.0, (7.0, 0.0, 12.0), (3.0, 0.0, 3.0))
    second = both - first
    assert second == LossSums(3.0, (1.0, 0.0, 8.0), (1.0, 0.0, 2.0))
    # All: (2 + 3) / 2. ocr: (6 + 1) / (2 + 1); naming had no item; chart: (4 + 8) / (1 + 2)
    said = describe_losses([first, second], ["ocr", "naming", "chart"])
    assert said == "loss 2.5 (ocr 2.33, chart 4)"
