"""Beginning answers: prompts through the model's own `generate`, as far as the first token."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import DynamicCache, SuppressTokensLogitsProcessor
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from coterie.cache_argument import CACHE
from coterie.serve.decoding_rows import DecodingRows, can_join, keep_by_token
from coterie.serve.job import Job
from coterie.serve.routing_record import record_routing
from coterie.serve.sampling import ChosenToken
from coterie.tasks.text.generation import GREEDY
from coterie.tuner.runtime import get_session

CONTINUED = frozenset(("full_attention", "sliding_attention"))
"""Layer types for which a cache of all tokens gives what the model's own cache does."""

READ_NO_TOKENS = (SuppressTokensLogitsProcessor,)
"""Types of transformers' changes of the logits that do not depend on the tokens before."""


class UnjoinableError(Exception):
    """Prompts of several jobs left states behind that cannot be kept apart: begin each alone."""


class Begun(NamedTuple):
    """Answers whose first token was chosen.

    Attributes:
        rows: those that go on; None if none does.
        joins: further prompts of this kind may begin together.
    """

    rows: DecodingRows | None
    joins: bool


def begin(model: Any, batch: Mapping[str, Any], jobs: Sequence[Job]) -> Begun:
    """Run the prompts of a batch and choose each answer's first token.

    A job whose state cannot be joined with other rows, as that of a state space, is answered to
    its end here.

    Args:
        model: the base model of a grafted one.
        batch: what `generate` takes of the jobs' prompts, of each prompt once, see `list_prompts`.
        jobs: several only where a job alone said that more may begin together.

    Raises UnjoinableError, before any token is chosen, for several jobs that cannot be joined.
    """
    start = _Start(model, list(jobs))
    longest = max(job.sampling.max_tokens for job in jobs)
    cache = {CACHE: DynamicCache()} if takes_whole_cache(model) else {}
    model.generate(**batch, **cache, **GREEDY, max_new_tokens=longest, custom_generate=start.run)
    return Begun(start.rows, start.joins)


def takes_whole_cache(model: Any) -> bool:
    """Return whether the model's layers can have a cache of all tokens, also for a window."""
    if not model._supports_default_dynamic_cache():
        return False
    config = model.config.get_text_config(decoder=True)
    types = getattr(config, "layer_types", None) or CONTINUED
    layers = DynamicCache(config=config).layers
    allowed = (DynamicLayer, DynamicSlidingWindowLayer)
    return CONTINUED.issuperset(types) and all(type(each) in allowed for each in layers)


def list_prompts(jobs: Sequence[Job]) -> list[Mapping[str, Tensor]]:
    """List the prompts of jobs in their order, that of several answers to one request once."""
    return list({id(job.prompt): job.prompt for job in jobs}.values())


class _Start:
    """What runs in place of transformers' decoding, after its preparation of the arguments."""

    def __init__(self, model: Any, jobs: list[Job]) -> None:
        self.model, self.jobs = model, jobs
        prompts = [id(prompt) for prompt in list_prompts(jobs)]
        self.row_of_job = [prompts.index(id(job.prompt)) for job in jobs]
        self.rows: DecodingRows | None = None
        self.joins = False

    def run(
        self,
        model: Any,
        input_ids: Tensor,
        logits_processor: Any,
        stopping_criteria: Any,
        generation_config: Any,
        **arguments: Any,
    ) -> Tensor:
        """Run the prompts; `model` is another one where a model inside generates for the whole."""
        inputs = model.prepare_inputs_for_generation(
            input_ids, is_first_iteration=True, **arguments
        )
        firsts = [self.jobs[self.row_of_job.index(row)] for row in range(max(self.row_of_job) + 1)]
        recorded = [job.make_recording_row() for job in firsts]
        with record_routing(model, recorded, input_ids.shape[1]):
            outputs = model(**inputs, return_dict=True)
        cache = getattr(outputs, CACHE, None)
        # A change that depends on the tokens before must not see padding among them.
        reads_tokens = any(type(each) not in READ_NO_TOKENS for each in logits_processor)
        joins = model is self.model and can_join(cache, arguments, input_ids.shape[1])
        if reads_tokens or not joins:
            for job in self.jobs:
                job.processors = logits_processor
        if not joins:
            if len(self.jobs) > 1:
                raise UnjoinableError
            finish_alone(model, self.jobs[0], input_ids, outputs, arguments)
            return input_ids
        assert isinstance(cache, DynamicCache)
        self.joins = not reads_tokens
        rows = DecodingRows(
            model=model, jobs=firsts, cache=cache, session=get_session(model),
            by_token=keep_by_token(input_ids, arguments),
            processors=() if reads_tokens else logits_processor,
        )  # fmt: skip
        logits = rows.take_last(outputs)
        if len(firsts) < len(self.jobs):
            rows.copy_to(self.jobs, self.row_of_job)
            logits = logits[self.row_of_job]
        self.rows = advance(rows, logits)
        return input_ids


def finish_alone(
    model: Any, job: Job, ids: Tensor, outputs: Any, arguments: dict[str, Any]
) -> None:
    """Answer a prompt to its end as transformers does, with the model's own kind of cache."""
    while job.add(job.choose(outputs.logits[0, -1].float())):
        if job.is_cancelled:
            job.give_up()
            return
        ids = torch.cat([ids, ids.new_tensor([[job.chosen[-1].token]])], 1)
        arguments = model._update_model_kwargs_for_generation(outputs, arguments, False)
        inputs = model.prepare_inputs_for_generation(
            ids, next_sequence_length=1 if arguments["use_cache"] else None, **arguments
        )
        read = 1 if arguments["use_cache"] else ids.shape[1]
        with record_routing(model, [job.make_recording_row()], read):
            outputs = model(**inputs, return_dict=True)


def advance(rows: DecodingRows, logits: Tensor) -> DecodingRows | None:
    """Choose every row's next token, and return the rows that go on; None if none does."""
    jobs = rows.jobs
    plain = [len(job.processors) == 0 and job.sampling.is_plain for job in jobs]
    likeliest = logits.argmax(-1).tolist() if any(plain) else []
    chosen = [
        ChosenToken(likeliest[row]) if plain[row] else job.choose(logits[row])
        for row, job in enumerate(jobs)
    ]
    kept = [row for row, job in enumerate(jobs) if job.add(chosen[row])]
    if not kept:
        return None
    rows.append([each.token for each in chosen])
    if len(kept) < len(jobs):
        rows.select(kept)
    return rows
