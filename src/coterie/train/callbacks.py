"""Trainer callbacks: progress, Ctrl-C, and logging integrations."""

import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations.integration_utils import (
    TensorBoardCallback,
    get_reporting_integration_callbacks,
)

from coterie import distributed
from coterie.progress import Progress
from coterie.train.running_sums import LossSums, RunningSums

AVERAGED_STEPS = 10
"""The last steps, over which the losses of tasks that are shown are means."""


class InterruptHandler:
    """Sets `requested` on the first Ctrl-C within a `with InterruptHandler() as handler:` block.

    Does nothing outside of the main thread, where Python receives no signals.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous_handler: Any = None

    def __enter__(self) -> "InterruptHandler":
        if threading.current_thread() is threading.main_thread():
            self._previous_handler = signal.signal(signal.SIGINT, self._handle_signal)
        return self

    def __exit__(self, *error: object) -> None:
        if self._previous_handler is not None:
            signal.signal(signal.SIGINT, self._previous_handler)

    def _handle_signal(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt("stopped at once; resume=True goes on at the last checkpoint")
        self.requested = True
        if not distributed.is_rank_zero():
            return
        message = "Stopping after this step, with a checkpoint. Ctrl-C again stops at once."
        print(f"\n{message}", file=sys.stderr)


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
        # Ctrl-C reaches the processes at different steps; they stop at the same.
        self.interrupt.requested = distributed.is_true_anywhere(self.interrupt.requested)
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
    """Return the last step's loss, and each task's mean over the steps."""
    means = []
    for i, task in enumerate(tasks):
        if count := sum(each.counts[i] for each in steps):
            means.append(f"{task} {sum(each.sums[i] for each in steps) / count:.3g}")
    return f"loss {steps[-1].loss:.3g} ({', '.join(means)})"


class RunTensorBoardCallback(TensorBoardCallback):
    """Transformers' TensorBoard callback, writing into the run's folder."""

    def on_train_begin(self, *args: Any, **rest: Any) -> None:
        # Trainer's would log the model's configuration as text; the run's configuration has it.
        return None


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
    writer = SummaryWriter(str(events), purge_step=step + 1 if step else None)
    return [*found, RunTensorBoardCallback(writer)]
