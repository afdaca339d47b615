"""`InterruptHandler`: Ctrl-C and a cluster's warning signals end training with a checkpoint."""

import os
import signal
import threading
import time
from types import FrameType
from typing import Any

from coterie import distributed

WARNINGS = ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGXCPU")
"""Signals that announce an end: of Kubernetes, spot machines and `timeout`; of a closed terminal;
of SLURM's --signal=USR1; of a limit of processor time."""
AGAIN_S = 1.0
"""A launcher passes on the Ctrl-C that the terminal has sent to every process already."""


class StoppedBySignal(KeyboardInterrupt):
    """Training ended early, after a checkpoint, because of a signal.

    Attributes:
        number: the signal's.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number

    @property
    def exit_code(self) -> int:
        """As shells report a process that a signal ended: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + self.number


class InterruptHandler:
    """Notes the first signal within a `with InterruptHandler() as handler:` block.

    Ctrl-C is always handled, and a second one stops at once. A warning signal is handled unless
    the program handles it already, or it is ignored, as SIGHUP is under nohup. Does nothing outside
    of the main thread, where Python receives no signals.

    Attributes:
        number: the signal that arrived, 0 for none.
    """

    def __init__(self) -> None:
        self.number = 0
        self._arrived = 0.0
        self._previous: dict[int, Any] = {}

    @property
    def requested(self) -> bool:
        """Whether training is to stop after this step."""
        return self.number > 0

    def __enter__(self) -> "InterruptHandler":
        if threading.current_thread() is threading.main_thread():
            named = [getattr(signal, name, None) for name in WARNINGS]  # Windows lacks some
            free = [each for each in named if each and signal.getsignal(each) is signal.SIG_DFL]
            for number in (signal.SIGINT, *free):
                self._previous[number] = signal.signal(number, self._handle_signal)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle_signal(self, number: int, frame: FrameType | None) -> None:
        if self.number:
            is_echo = distributed.get_world_size() > 1 and (
                time.monotonic() - self._arrived < AGAIN_S
            )
            if number == signal.SIGINT and not is_echo:
                raise KeyboardInterrupt(
                    "stopped at once; resume=True goes on at the last checkpoint"
                )
            return
        self.number, self._arrived = number, time.monotonic()
        if not distributed.is_rank_zero():
            return
        what = "" if number == signal.SIGINT else f"{signal.Signals(number).name}: "
        again = " Ctrl-C again stops at once." if number == signal.SIGINT else ""
        text = f"\n{what}Stopping after this step, with a checkpoint.{again}\n"
        # Not print: the signal may have interrupted a print, which cannot be entered twice.
        os.write(2, text.encode())

    def share(self) -> None:
        """Let every process know what has reached one of them, so that all stop at one step."""
        self.number = distributed.compute_maximum(self.number)
