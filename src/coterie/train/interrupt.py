"""Ctrl-C: the first ends training after the step that runs, the second at once."""

import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any


class Interrupt:
    """`with Interrupt() as interrupt:` sets `interrupt.wanted` on the first Ctrl-C.

    Does nothing outside of the main thread, where Python takes no signals.
    """

    def __init__(self) -> None:
        self.wanted = False
        self._before: Any = None

    def __enter__(self) -> "Interrupt":
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: Any, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.wanted:
            raise KeyboardInterrupt("stopped at once; resume=True goes on at the last checkpoint")
        self.wanted = True
        print(
            "\nStopping after this step, with a checkpoint. Ctrl-C again stops at once.",
            file=sys.stderr,
        )
