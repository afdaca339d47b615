"""Trainer callbacks: the progress bar, Ctrl-C, and logging integrations."""

import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from tqdm.auto import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations.integration_utils import (
    TensorBoardCallback,
    get_reporting_integration_callbacks,
)

from coterie import distributed


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
    """Advances one bar over all stages, and stops training on Ctrl-C."""

    def __init__(self, bar: "tqdm[Any]", interrupt: InterruptHandler, stage: str) -> None:
        self.bar, self.interrupt = bar, interrupt
        bar.set_description(stage)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **rest: Any
    ) -> None:
        self.bar.update()
        # Ctrl-C reaches the processes at different steps; they stop at the same.
        self.interrupt.requested = distributed.is_true_anywhere(self.interrupt.requested)
        if self.interrupt.requested:
            control.should_save = control.should_training_stop = True

    def on_log(self, *args: Any, **rest: Any) -> None:
        loss = (rest.get("logs") or {}).get("loss")
        if loss is not None:
            self.bar.set_postfix(loss=f"{loss:.4g}", refresh=False)


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


def print_line(text: str, *, progress: bool | None) -> None:
    """Print a line to standard error if the progress bar is shown."""
    if text and (sys.stderr.isatty() if progress is None else progress):
        tqdm.write(text, file=sys.stderr)
