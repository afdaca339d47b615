"""`EngineThread`: a scheduler that runs in a thread of its own until it is stopped."""

import logging
import threading
import time

from coterie.serve.scheduler import Scheduler

LOGGER = logging.getLogger(__name__)


class EngineThread:
    """Steps of a scheduler, in a thread that sleeps while there is nothing to answer."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.is_stopping = False
        # A daemon, so that a forward pass that hangs does not keep the process.
        self.thread = threading.Thread(target=self._run, name="coterie-engine", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self, timeout_s: float) -> None:
        """Let begun answers end for so many seconds, then cancel what is left, and end."""
        deadline = time.monotonic() + timeout_s
        while not self.scheduler.is_idle and time.monotonic() < deadline:
            time.sleep(0.01)
        self.scheduler.give_up_all()
        with self.scheduler.arrival:
            self.is_stopping = True
            self.scheduler.arrival.notify_all()
        self.thread.join(timeout=max(1.0, deadline - time.monotonic()))

    def _run(self) -> None:
        scheduler = self.scheduler
        while True:
            try:
                has_worked = scheduler.step()
            except Exception:  # a fault of ours: the jobs fail, and the server lives
                LOGGER.exception("a step of the engine failed")
                scheduler.give_up_all()
                continue
            if has_worked:
                continue
            with scheduler.arrival:
                if self.is_stopping:
                    return
                scheduler.arrival.wait_for(lambda: self.is_stopping or bool(scheduler.waiting))
