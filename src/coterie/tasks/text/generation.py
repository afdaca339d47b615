"""Answers of a model to samples, generated greedily in batches."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn

from coterie import distributed
from coterie.data.chat_template import get_tokenizer
from coterie.data.sample import TextSample
from coterie.graft import observe
from coterie.models.loading import LoadedModel
from coterie.routing.decision import Tape
from coterie.tasks.text.batches import TextCollator
from coterie.tuner.layer import CoterieLayer

GREEDY: Mapping[str, Any] = {
    "do_sample": False, "num_beams": 1,
    # A generation_config may bring these for sampling, and warns without it.
    "temperature": None, "top_p": None, "top_k": None
}  # fmt: skip
MEDIA_LENGTH = 100
"""The characters that an image or sound counts for when samples are sorted by length."""


@torch.no_grad()
def predict(
    loaded: LoadedModel,
    collator: TextCollator,
    samples: Sequence[TextSample],
    *,
    batch_size: int,
    max_new_tokens: int,
    on_routing: Callable[[Tape], object] | None = None,
    on_batch_end: Callable[[int], object] = lambda answered: None,
) -> tuple[list[str], float]:
    """Generate the answer to each sample, in the samples' order, stripped of special tokens.

    Returns the answers and `PredictionResult.seconds`. Of several processes, all must call it, and
    each generates the answers of a part of the batches.
    Samples of similar length share a batch, since a batch takes as long as its longest prompt.
    Options as in `PredictOptions`; `on_routing` is called for prompts alone, and `max_new_tokens`,
    at least 1, is the longest answer.
    """
    model: Any = loaded.model
    tokenizer = get_tokenizer(loaded.processor)
    ends = get_end_token_ids(loaded, collator)
    order = sorted(range(len(samples)), key=lambda row: -estimate_prompt_length(samples[row]))
    answers: dict[int, str] = {}
    seconds = 0.0
    model.eval()
    for start in distributed.take_share(range(0, len(order), batch_size)):
        rows = order[start : start + batch_size]
        batch = prepare_inputs(collator.collate_prompts([samples[row] for row in rows]), model)
        started = time.monotonic()
        with observe_prompt(model, on_routing):
            generated = model.generate(
                **batch, **GREEDY, max_new_tokens=max_new_tokens,
                eos_token_id=ends, pad_token_id=collator.pad_token_id
            )  # fmt: skip
        # On a GPU this waits until the answers are there.
        generated = generated.cpu()
        seconds += time.monotonic() - started
        new = generated[:, batch["input_ids"].shape[1] :]
        texts = tokenizer.batch_decode(new, skip_special_tokens=True)
        for row, text in zip(rows, texts, strict=True):
            answers[row] = text.strip()
        on_batch_end(min(start + batch_size, len(order)))
    parts = distributed.all_gather_object((answers, seconds))
    together = {row: text for part, _ in parts for row, text in part.items()}
    return [together[row] for row in range(len(samples))], sum(took for _, took in parts)


@contextmanager
def observe_prompt(model: nn.Module, on_routing: Callable[[Tape], object] | None) -> Iterator[None]:
    """Call `on_routing`, unless None, with the routing of the first forward pass: the prompt's."""
    if on_routing is None:
        yield
        return
    base = model.get_base_model() if isinstance(model, PeftModel) else model
    with observe(model) as tape:

        def read(*_: Any) -> None:
            handle.remove()
            on_routing(tape)

        handle = base.register_forward_hook(read)
        try:
            yield
        finally:
            handle.remove()


def estimate_prompt_length(sample: TextSample) -> int:
    """Estimate a prompt's length in characters, without loading media."""
    texts = (part for turn in sample.messages for part in turn.parts if isinstance(part, str))
    return sum(map(len, texts)) + MEDIA_LENGTH * len(sample.get_media())


def prepare_inputs(batch: Mapping[str, Any], model: Any) -> dict[str, Any]:
    """Move a collator's batch to the model's device; without what only mixtures take, if none."""
    grafted = any(isinstance(module, CoterieLayer) for module in model.modules())
    return {
        key: value.to(model.device) if isinstance(value, Tensor) else value
        for key, value in batch.items()
        if grafted or key not in ("task_ids", "instruction_mask")
    }


def get_end_token_ids(loaded: LoadedModel, collator: TextCollator) -> list[int]:
    """Return the tokens that end an answer: the collator's, and the model's own."""
    config = loaded.model.generation_config
    configured = None if config is None else config.eos_token_id
    own = configured if isinstance(configured, list) else [configured]
    return list(dict.fromkeys(token for token in (collator.end_of_turn, *own) if token is not None))
