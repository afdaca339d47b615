"""`InferenceEngine`: a loaded run that answers prompts of all its tasks, many at a time."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from coterie.data.chat_template import get_tokenizer
from coterie.data.sample import TextSample
from coterie.models.base_config import get_context_length
from coterie.models.loading import LoadedModel
from coterie.serve.answer_text import AnswerText
from coterie.serve.job import Job, Piece
from coterie.serve.sampling import Sampling
from coterie.serve.scheduler import Scheduler
from coterie.serve.task_prompt import TaskPrompt
from coterie.tasks.text.batches import TextCollator
from coterie.tasks.text.generation import get_end_token_ids
from coterie.tasks.text.sample_check import (
    check_media_inputs,
    check_special_tokens,
    find_special_tokens,
)
from coterie.tasks.text.task import TextTask
from coterie.train import Run


@dataclass(frozen=True, kw_only=True, eq=False)
class InferenceEngine:
    """A loaded run that answers prompts of all its tasks.

    Attributes:
        run: the run.
        loaded: the model and its processor.
        collator: makes batches of prompts.
        scheduler: generates the answers.
        special_tokens: texts that the tokenizer does not read as their letters.
        encoding: held while a prompt is encoded, as tokenizers may not be used by two threads.
    """

    run: Run
    loaded: LoadedModel
    collator: TextCollator
    scheduler: Scheduler
    special_tokens: frozenset[str]
    encoding: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def from_run(
        cls,
        folder: Run | str | Path,
        *,
        device: str | torch.device | None = None,
        max_rows: int = 16,
        max_waiting: int = 256,
    ) -> "InferenceEngine":
        """Load a run.

        Args:
            folder: the run's, or the run.
            device: see `coterie.devices.choose_device`; None for an accelerator where there is one.
            max_rows: answers that are generated at a time.
            max_waiting: answers that may wait for that.

        Raises ValueError if the run is not finished, or its tasks have no answers in text.
        """
        run = folder if isinstance(folder, Run) else Run.read(folder)
        find_task(run, run.task_names[0])  # or there is no text to answer with
        loaded = run.load(device=device)
        return cls(
            run=run,
            loaded=loaded,
            collator=TextCollator(loaded.processor, run.task_names),
            scheduler=Scheduler(loaded, max_rows=max_rows, max_waiting=max_waiting),
            special_tokens=find_special_tokens(loaded.processor),
        )

    @property
    def context_length(self) -> int | None:
        """Tokens of a prompt and its answer that the model has positions for; None for no bound."""
        return get_context_length(self.scheduler.model.config)

    def get_task(self, name: str | None = None) -> TextTask:
        """Return a task by its name; None for the only one.

        Raises ValueError if the run has no such task, or several and none is named.
        """
        return find_task(self.run, name)

    def make_prompt(
        self, task: str | None = None, media: Mapping[str, Sequence[str]] | None = None
    ) -> TaskPrompt:
        """Return the prompts of a task about files; see `get_task`, `TaskPrompt.with_files`."""
        return TaskPrompt.with_files(self.get_task(task), media or {})

    def ask(
        self,
        question: str,
        *,
        task: str | None = None,
        media: Mapping[str, Sequence[str]] | None = None,
        sampling: Sampling | None = None,
    ) -> str:
        """Return the answer to a question; see `make_prompt` and `make_job`."""
        (job,) = self.answer([self.make_prompt(task, media).ask(question)], sampling)
        return job.text.text

    def encode(self, sample: TextSample) -> Mapping[str, Tensor]:
        """Encode a prompt, as a batch of one.

        Raises ValueError if media cannot be decoded, the model does not read them, or a text has a
        special token, with which it could end its turn and begin another.
        """
        check_special_tokens(sample, self.special_tokens)
        with self.encoding:
            encoded = self.collator.collate_prompts([sample])
        check_media_inputs(sample, encoded)
        return encoded

    def make_job(
        self,
        sample: TextSample,
        sampling: Sampling | None = None,
        *,
        prompt: Mapping[str, Tensor] | None = None,
        report: Callable[[Piece], None] = lambda piece: None,
        records_routing: bool = False,
    ) -> Job:
        """Return the job of a prompt, whose answer is as long as there is room.

        Args:
            sample: the prompt.
            sampling: None for the likeliest tokens, as many as the task's answers have.
            prompt: what `encode` made of it; None to encode it now.
            report, records_routing: see `Job`.

        Raises ValueError as `encode`, or if the prompt leaves no room for an answer.
        """
        sampling = sampling or Sampling(max_tokens=self.get_task(sample.task).max_new_tokens)
        prompt = self.encode(sample) if prompt is None else prompt
        tokens, bound = prompt["input_ids"].shape[1], self.context_length
        if bound is not None and tokens >= bound:
            raise ValueError(
                f"{sample.source} has {tokens} tokens, and the model has positions for {bound}, "
                "of which the answer needs some: give a shorter one"
            )
        decode = partial(get_tokenizer(self.loaded.processor).decode, skip_special_tokens=True)
        return Job(
            prompt=prompt,
            sampling=sampling if bound is None else sampling.limit(bound - tokens),
            ends=frozenset(get_end_token_ids(self.loaded, self.collator)),
            text=AnswerText(decode, sampling.stop),
            report=report,
            records_routing=records_routing,
        )

    def answer(
        self, samples: Iterable[TextSample], sampling: Sampling | None = None
    ) -> Iterator[Job]:
        """Yield the job of each prompt, in their order, when its answer is whole.

        Prompts are taken from the iterable when rows are free. Raises ValueError as `make_job`, or
        what the iterable or the model raises, after the answers to the prompts before that.
        """
        prompts = (self.make_job(sample, sampling) for sample in samples)
        queue: deque[Job] = deque()
        refused: list[Exception] = []
        try:
            while self._fill(queue, prompts, refused):
                if queue[0].reason is None:
                    self.scheduler.step()
                    continue
                job = queue.popleft()
                if job.error is not None:
                    raise job.error
                yield job
        finally:
            for job in queue:
                job.is_cancelled = True
        if refused:
            raise refused[0]

    def _fill(self, queue: deque[Job], prompts: Iterator[Job], refused: list[Exception]) -> bool:
        """Submit prompts for free rows, until one is refused; return whether any job is left."""
        while not refused and sum(job.reason is None for job in queue) < self.scheduler.max_rows:
            try:
                job = next(prompts, None)
            except Exception as error:  # what is before it is answered first
                refused.append(error)
                break
            if job is None:
                break
            self.scheduler.submit([job])
            queue.append(job)
        return bool(queue)


def find_task(run: Run, name: str | None = None) -> TextTask:
    """Return a task of a run; see `InferenceEngine.get_task`."""
    try:
        return run.config.tasks.get_text_task(name)
    except ValueError as error:
        raise ValueError(f"{run.folder}: {error}") from None
