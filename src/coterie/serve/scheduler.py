"""`Scheduler`: which answers are generated at a time; new ones join between two tokens."""

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from peft import PeftModel
from torch import Tensor

from coterie.data.chat_template import get_tokenizer
from coterie.models.loading import LoadedModel
from coterie.serve.decoding_rows import DecodingRows
from coterie.serve.job import Job
from coterie.serve.join_prompts import get_shape_key, join_prompts
from coterie.serve.prefill import UnjoinableError, advance, begin, list_prompts
from coterie.tuner.layer import CoterieLayer


class QueueFullError(Exception):
    """There are as many waiting jobs as may wait."""


class Scheduler:
    """Answers jobs in the order in which they came, many at a time, of any tasks and modalities.

    `submit` and `Job.is_cancelled` may be used from any thread; `step` runs in one at a time.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        *,
        max_rows: int = 16,
        max_waiting: int = 256,
        max_prompt_tokens: int = 4096,
    ) -> None:
        """Make a scheduler.

        Args:
            loaded: a model, grafted or not.
            max_rows: answers that are generated at a time.
            max_waiting: jobs that may wait for a row.
            max_prompt_tokens: tokens of prompts, with padding, that begin between two tokens of
                the others; a longer prompt begins alone.
        """
        whole: Any = loaded.model
        self.model: Any = whole.get_base_model() if isinstance(whole, PeftModel) else whole
        self.is_grafted = any(isinstance(each, CoterieLayer) for each in whole.modules())
        self.pad = get_tokenizer(loaded.processor).pad_token_id
        self.max_rows, self.max_waiting = max_rows, max_waiting
        self.max_prompt_tokens = max_prompt_tokens
        self.rows: DecodingRows | None = None
        self.joins = False
        self.waiting: deque[Job] = deque()
        self.arrival = threading.Condition()
        self.stepping = threading.Lock()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Let jobs wait for a row. Raises QueueFullError, and takes none, if too many wait."""
        with self.arrival:
            if len(self.waiting) + len(jobs) > self.max_waiting:
                raise QueueFullError
            self.waiting.extend(jobs)
            self.arrival.notify_all()

    @property
    def num_running(self) -> int:
        rows = self.rows
        return 0 if rows is None else len(rows.jobs)

    @property
    def is_idle(self) -> bool:
        return self.rows is None and not self.waiting

    def step(self) -> bool:
        """Begin waiting jobs, generate a token of each row, and return whether there was any.

        What fails fails the jobs it was for, and no others.
        """
        with self.stepping:
            self._drop_cancelled()
            running = self.rows
            if running is not None:
                self.rows = self._advance(running)
            newcomers = self._take_newcomers()
            for group in self._group(newcomers):
                self._begin(group)
            return bool(newcomers) or running is not None

    def give_up_all(self) -> None:
        """Cancel all jobs, waiting and running."""
        with self.arrival:
            jobs = [*self.waiting, *(self.rows.jobs if self.rows is not None else ())]
        for job in jobs:
            job.is_cancelled = True

    def _drop_cancelled(self) -> None:
        with self.arrival:
            cancelled = [job for job in self.waiting if job.is_cancelled]
            for job in cancelled:
                self.waiting.remove(job)
        rows = self.rows
        if rows is not None:
            kept = [row for row, job in enumerate(rows.jobs) if not job.is_cancelled]
            if len(kept) < len(rows.jobs):
                cancelled += [job for job in rows.jobs if job.is_cancelled]
                if kept:
                    rows.select(kept)
                self.rows = rows if kept else None
        for job in cancelled:
            job.give_up()

    def _take_newcomers(self) -> list[Job]:
        """Take jobs for the rows that are free; one that exceeds the tokens waits for its turn."""
        taken: list[Job] = []
        with self.arrival:
            while self.waiting and self.num_running + len(taken) < self.max_rows:
                lengths = [job.prompt_tokens for job in (*taken, self.waiting[0])]
                if taken and max(lengths) * len(lengths) > self.max_prompt_tokens:
                    break
                taken.append(self.waiting.popleft())
        return taken

    def _group(self, jobs: Iterable[Job]) -> Iterable[list[Job]]:
        """Yield jobs that begin together; each alone until one has shown that more may."""
        groups: dict[Any, list[Job]] = {}
        for job in jobs:
            if self.joins:
                groups.setdefault(get_shape_key(job.prompt), []).append(job)
            else:
                yield [job]
        yield from groups.values()

    def _begin(self, jobs: list[Job]) -> None:
        try:
            batch = join_prompts(list_prompts(jobs), pad=self.pad)
            begun = begin(self.model, self._prepare(batch), jobs)
        except Exception as error:  # of the model or its code, which nobody here knows
            if len(jobs) > 1 and not any(job.chosen for job in jobs):
                self.joins &= not isinstance(error, UnjoinableError)
                for job in jobs:
                    self._begin([job])
                return
            _fail(jobs, error)
            return
        self.joins = begun.joins
        if begun.rows is None or self.rows is None:
            self.rows = begun.rows or self.rows
            return
        running, self.rows = self.rows, None
        try:
            running.join(begun.rows)
            self.rows = running
        except Exception as error:  # such as too little memory; half of the rows may be joined
            _fail([*running.jobs, *begun.rows.jobs], error)

    def _advance(self, rows: DecodingRows) -> DecodingRows | None:
        try:
            return advance(rows, rows.compute_logits())
        except Exception as error:  # as above
            _fail(rows.jobs, error)
            return None

    def _prepare(self, batch: dict[str, Tensor]) -> dict[str, Any]:
        """Move a batch to the model, but for task ids: their values are needed here."""
        own = ("task_ids", "instruction_mask")
        return {
            name: values if name == "task_ids" else values.to(self.model.device)
            for name, values in batch.items()
            if self.is_grafted or name not in own
        }


def _fail(jobs: Iterable[Job], error: Exception) -> None:
    for job in jobs:
        if job.reason is None:
            job.give_up(error)
