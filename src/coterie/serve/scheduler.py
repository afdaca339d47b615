"""`Scheduler`: which prompts begin, and when the answers that have begun get their next token.

Prompts go first, as in Orca and vLLM: the sooner a row is filled, the more answers share a decoding
step. So that a stream of prompts does not starve the answers that have begun (the "generation
stalls" of Sarathi-Serve, arXiv 2403.02310), only so many tokens of prompts begin between two of
their tokens. Prompts are not cut into chunks, as Sarathi-Serve cuts them: a gate that decides by
prompt needs the whole of it.
"""

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

CPU_PREFILL_TOKENS = 128
"""Tokens that fill a CPU's matrix products: more at a time hardly cost less, and are later."""


class QueueFullError(Exception):
    """There are as many waiting jobs as may wait."""


class Scheduler:
    """Begins jobs in the order in which they came, and answers many at a time, of any tasks.

    `submit` and `Job.is_cancelled` may be used from any thread; `step` runs in one at a time.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        *,
        max_rows: int = 16,
        max_waiting: int = 256,
        max_prompt_tokens: int = 2048,
        max_prefill_tokens: int | None = None,
    ) -> None:
        """Make a scheduler.

        Args:
            loaded: a model, grafted or not.
            max_rows: answers that are generated at a time.
            max_waiting: jobs that may wait for a row.
            max_prompt_tokens: tokens of prompts, with padding, after which the answers that have
                begun get their next token before another prompt begins.
            max_prefill_tokens: tokens of prompts, with padding, that begin together; a longer
                prompt begins alone. None for `CPU_PREFILL_TOKENS`, and `max_prompt_tokens` on an
                accelerator.
        """
        whole: Any = loaded.model
        self.model: Any = whole.get_base_model() if isinstance(whole, PeftModel) else whole
        self.is_grafted = any(isinstance(each, CoterieLayer) for each in whole.modules())
        self.pad = get_tokenizer(loaded.processor).pad_token_id
        self.max_rows, self.max_waiting = max_rows, max_waiting
        self.max_prompt_tokens = max_prompt_tokens
        is_cpu = self.model.device.type == "cpu"
        self.max_prefill_tokens = max_prefill_tokens or (
            CPU_PREFILL_TOKENS if is_cpu else max_prompt_tokens
        )
        self.tokens_since_decoding = 0
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
        """Begin prompts, or else generate a token of each row; return whether there was any.

        What fails fails the jobs it was for, and no others.
        """
        with self.stepping:
            self._drop_cancelled()
            if newcomers := self._take_newcomers():
                self._begin(newcomers)
                return True
            self.tokens_since_decoding = 0
            running = self.rows
            if running is not None:
                self.rows = self._advance(running)
            return running is not None

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
        """Take the first of the waiting jobs and those that begin with it; none if rows go first.

        Others of another shape wait; the first never does. Each begins alone until one has shown
        that more may.
        """
        free = self.max_rows - self.num_running
        with self.arrival:
            is_due = self.rows is not None and self.tokens_since_decoding >= self.max_prompt_tokens
            if not self.waiting or not free or is_due:
                return []
            taken = [self.waiting[0]]
            shape = get_shape_key(taken[0].prompt)
            for job in list(self.waiting)[1:] if self.joins else ():
                if get_shape_key(job.prompt) != shape:
                    continue
                more = [*taken, job]
                if len(more) > free or count_padded_tokens(more) > self.max_prefill_tokens:
                    break
                taken = more
            for job in taken:
                self.waiting.remove(job)
        self.tokens_since_decoding += count_padded_tokens(taken)
        return taken

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


def count_padded_tokens(jobs: Sequence[Job]) -> int:
    """Count the tokens of a batch of the jobs' prompts, that of several answers once."""
    lengths = [prompt["input_ids"].shape[1] for prompt in list_prompts(jobs)]
    return max(lengths) * len(lengths)


def _fail(jobs: Iterable[Job], error: Exception) -> None:
    for job in jobs:
        if job.reason is None:
            job.give_up(error)
