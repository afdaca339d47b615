"""Trainer callbacks: progress, and logging integrations."""

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations.integration_utils import (
    TensorBoardCallback,
    get_reporting_integration_callbacks,
)

from coterie import distributed
from coterie.progress import Progress
from coterie.train.interrupt import InterruptHandler
from coterie.train.running_sums import LossSums, RunningSums

AVERAGED_STEPS = 10
"""The last steps, over which the losses that are shown are means."""


class ProgressCallback(TrainerCallback):
    """Shows each step with its losses, and stops training when asked to."""

    def __init__(
        self, progress: Progress, interrupt: InterruptHandler, sums: RunningSums, batch_size: int
    ) -> None:
        """Show the losses of this process's samples, as `sums` adds them up between records."""
        self.progress, self.interrupt, self.sums = progress, interrupt, sums
        self.batch_size = batch_size
        self.recent: deque[LossSums] = deque(maxlen=AVERAGED_STEPS)
        self.times_s: deque[float] = deque(maxlen=AVERAGED_STEPS + 1)

    def on_train_begin(self, *args: Any, **rest: Any) -> None:
        self.seen = self.sums.read_losses()  # of the steps before a checkpoint
        self.times_s.append(time.monotonic())

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **rest: Any
    ) -> None:
        if not self.progress.is_quiet:
            self.progress.update(note=self._describe_step())
        self.interrupt.share()  # a signal reaches the processes at different steps
        if self.interrupt.requested:
            control.should_save = control.should_training_stop = True

    def on_log(self, *args: Any, **rest: Any) -> None:
        self.seen = self.sums.read_losses()  # a record was written, and the sums are 0 again

    def _describe_step(self) -> str:
        total = self.sums.read_losses()
        self.recent.append(total - self.seen)
        self.seen = total
        self.times_s.append(time.monotonic())
        seconds = max(self.times_s[-1] - self.times_s[0], 1e-9)
        speed = self.batch_size * (len(self.times_s) - 1) / seconds
        return f"{describe_losses(self.recent, self.sums.tasks)}, {speed:.3g} samples/s"


def describe_losses(steps: Sequence[LossSums], tasks: Sequence[str]) -> str:
    """Return the mean of the steps' losses, and of each task's samples."""
    means = []
    for i, task in enumerate(tasks):
        if count := sum(each.counts[i] for each in steps):
            means.append(f"{task} {sum(each.sums[i] for each in steps) / count:.3g}")
    mean = sum(each.loss for each in steps) / len(steps)
    return f"loss {mean:.3g} ({', '.join(means)})"


class RunTensorBoardCallback(TensorBoardCallback):
    """Transformers' TensorBoard callback, writing into the run's folder for as long as it can.

    Training goes on without it: log.jsonl has the same numbers.
    """

    def __init__(self, writer: Any, folder: Path) -> None:
        super().__init__(writer)
        self.folder = folder

    def on_train_begin(self, *args: Any, **rest: Any) -> None:
        # Trainer's would log the model's configuration as text; the run's configuration has it.
        return None

    def on_log(self, *args: Any, **rest: Any) -> None:
        try:
            super().on_log(*args, **rest)
        except OSError as error:
            self._give_up(error)

    def on_train_end(self, *args: Any, **rest: Any) -> None:
        try:
            super().on_train_end(*args, **rest)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.tb_writer = None
        report_lost_events(self.folder, error)


def report_lost_events(folder: Path, error: OSError) -> None:
    """Print that there are no more events, and why."""
    distributed.print_message(
        f"{folder}: TensorBoard's events cannot be written ({error.strerror or error}); training "
        "goes on without them"
    )


@contextmanager
def ignore_event_errors() -> Iterator[None]:
    """Hide the traceback of TensorBoard's thread; its callback reports the error."""
    show = threading.excepthook

    def show_others(found: threading.ExceptHookArgs) -> None:
        is_writer = type(found.thread).__module__.startswith("tensorboard.")
        if not (is_writer and isinstance(found.exc_value, OSError)):
            show(found)

    threading.excepthook = show_others
    try:
        yield
    finally:
        threading.excepthook = show


def check_integrations(report_to: Sequence[str]) -> None:
    """Raise ValueError for an integration that transformers does not have, or not here."""
    for name in report_to:
        try:
            for each in get_reporting_integration_callbacks([name]):
                each()
        except (ImportError, RuntimeError, ValueError) as error:
            problem = str(error).strip().partition("\n")[0].rstrip(".")
            raise ValueError(
                f"report_to={name!r}: {problem}. Install it, or leave report_to out: log.jsonl "
                "and TensorBoard's events have the same numbers"
            ) from error


def make_callbacks(events: Path, report_to: Sequence[str], *, step: int) -> list[TrainerCallback]:
    """Make the callbacks that receive logs: transformers' in `report_to`, and TensorBoard's.

    TensorBoard, if installed, writes to `events`, and hides earlier events after `step`, which
    training resumes from. Only rank 0 has one, as one process writes a file.
    """
    found = [each() for each in get_reporting_integration_callbacks(list(report_to))]
    if not distributed.is_rank_zero():
        return found
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return found
    try:
        writer = SummaryWriter(str(events), purge_step=step + 1 if step else None)
    except OSError as error:
        report_lost_events(events, error)
        return found
    return [*found, RunTensorBoardCallback(writer, events)]
