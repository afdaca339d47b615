"""The thread of an engine: it sleeps, ends what was begun, cancels what takes too long."""

import threading
import time

import pytest

from coterie.serve.engine_thread import EngineThread
from coterie.serve.scheduler import Scheduler


class Counting(Scheduler):
    """A scheduler whose steps are counted, with nothing behind them."""

    def __init__(self, steps: int) -> None:
        self.left, self.calls, self.cancelled = steps, 0, False
        self.arrival = threading.Condition()
        self.waiting = []  # type: ignore[assignment]

    @property
    def is_idle(self) -> bool:
        return self.left == 0

    def step(self) -> bool:
        self.calls += 1
        self.left -= self.left > 0
        return self.left > 0

    def give_up_all(self) -> None:
        self.cancelled = True
        self.left = 0


def test_begun_answers_end_first_and_then_the_thread() -> None:
    scheduler = Counting(5)
    thread = EngineThread(scheduler)
    thread.start()
    thread.stop(timeout_s=5)
    assert scheduler.calls >= 5 and not thread.thread.is_alive()


def test_what_takes_too_long_is_cancelled() -> None:
    scheduler = Counting(10**9)
    thread = EngineThread(scheduler)
    thread.start()
    started = time.monotonic()
    thread.stop(timeout_s=0.05)
    assert scheduler.cancelled and time.monotonic() - started < 3
    assert not thread.thread.is_alive()


def test_a_step_that_fails_does_not_end_the_thread(caplog: pytest.LogCaptureFixture) -> None:
    scheduler = Counting(3)
    steps = iter([ValueError("a fault")])
    step = scheduler.step

    def fail_once() -> bool:
        for error in steps:
            raise error
        return step()

    scheduler.step = fail_once  # type: ignore[method-assign]
    thread = EngineThread(scheduler)
    thread.start()
    thread.stop(timeout_s=5)
    assert scheduler.calls >= 1 and "a step of the engine failed" in caplog.text
