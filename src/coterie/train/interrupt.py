"""Ctrl-C: the first ends training after the step that runs, the second at once."""

import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any


class InterruptHandler:
    """`with Interrupt() as interrupt:` sets `interrupt.wanted` on the first Ctrl-C.

    Does nothing outside of the main thread, where Python takes no signals.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous_handler: Any = None

    def __enter__(self) -> "InterruptHandler":
        if threading.current_thread() is threading.main_thread():
            self._previous_handler = signal.signal(signal.SIGINT, self._handle_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: Any, trace: TracebackType | None
    ) -> None:
        if self._previous_handler is not None:
            signal.signal(signal.SIGINT, self._previous_handler)

    def _handle_signal(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt("stopped at once; resume=True goes on at the last checkpoint")
        self.requested = True
        print(
            "\nStopping after this step, with a checkpoint. Ctrl-C again stops at once.",
            file=sys.stderr,
        )
