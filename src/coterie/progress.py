"""`Progress` of a long phase: a bar on a terminal, and plain lines where there is none."""

import sys
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, TypeVar

from tqdm.auto import tqdm

from coterie import distributed

SECONDS_BETWEEN_LINES = 30.0
"""Where there is no terminal, as in a pipe, under nohup or SLURM."""

SECONDS_BEFORE_BAR = 1.0
"""A phase that is shorter has no bar."""
Item = TypeVar("Item")


class Progress:
    """Shows how far a phase is, on standard error and on rank 0 alone.

    A phase that ends before its first line is due shows none where there is no terminal.
    """

    def __init__(
        self,
        total: int,
        phase: str,
        *,
        unit: str,
        initial: int = 0,
        shown: bool | None = None,
        first_line_after: int | None = None,
    ) -> None:
        """Begin a phase.

        Args:
            total: the number of updates of the whole phase.
            phase: what is done, such as "evaluate ocr".
            unit: of `total`, in the singular.
            initial: updates that were done before, by an interrupted run.
            shown: True for a bar even where there is no terminal, False for nothing; None for a
                bar on a terminal and lines elsewhere.
            first_line_after: updates after the first one, which counts for no guess of time, and
                before the first line; None for lines only every SECONDS_BETWEEN_LINES.
        """
        self.total, self.phase, self.unit = total, phase, unit
        self.done = self.first = initial
        self.is_quiet = shown is False or not distributed.is_rank_zero()
        has_bar = not self.is_quiet and (sys.stderr.isatty() if shown is None else shown)
        self.has_lines = not self.is_quiet and not has_bar
        self.first_line_after = first_line_after
        self.leaves_out_next = first_line_after is not None
        self.start = self.last_line = time.monotonic()
        self.bar: tqdm[Any] = tqdm(
            total=total, desc=phase, unit=unit, initial=initial, dynamic_ncols=True,
            disable=not has_bar, delay=0 if first_line_after else SECONDS_BEFORE_BAR,
        )  # fmt: skip

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.close()

    def set_phase(self, phase: str) -> None:
        """Name what is done from now on, such as a stage."""
        self.phase = phase
        self.bar.set_description(phase, refresh=False)

    def update(self, count: int = 1, note: str = "") -> None:
        """Add to what is done; `note` is shown behind it."""
        self.done += count
        if note:
            self.bar.set_postfix_str(note, refresh=False)
        self.bar.update(count)
        if self.leaves_out_next:  # the first update is slower
            self.start, self.first, self.leaves_out_next = time.monotonic(), self.done, False
        if self.has_lines and self._is_line_due():
            self.last_line = time.monotonic()
            print(self.format_line(note), file=sys.stderr, flush=True)

    def count(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items, and update after each."""
        with self:
            for each in items:
                yield each
                self.update()

    def move_to(self, done: int) -> None:
        """Set what is done, without a line."""
        self.bar.update(done - self.done)
        self.done = self.first = done

    def write(self, text: str) -> None:
        """Show a line above the bar, or among the lines."""
        if text and not self.is_quiet:
            self.bar.write(text, file=sys.stderr)

    def format_line(self, note: str = "") -> str:
        """Return the phase, what is done, the note and a guess of the time left."""
        head = f"{self.phase}: {self.unit} {self.done:,} of {self.total:,}"
        left = self.estimate_seconds_left()
        guess = "" if left is None else f"about {format_duration(left)} left"
        return ", ".join(part for part in (head, note, guess) if part)

    def estimate_seconds_left(self) -> float | None:
        """Return the seconds left at the speed so far; None if nothing is known or left."""
        measured = self.done - self.first
        if measured < 1 or self.done >= self.total:
            return None
        return (self.total - self.done) * (time.monotonic() - self.start) / measured

    def _is_line_due(self) -> bool:
        if self.done - self.first == self.first_line_after:
            return True
        return time.monotonic() - self.last_line >= SECONDS_BETWEEN_LINES


def format_duration(seconds: float) -> str:
    """Return "45 s", "12 min" or "3 h 20 min"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
