"""The likelihood of each of several answers: choices that are ranked, and not generated."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from coterie.data.sample import TextSample
from coterie.metrics.base import ChoicePrediction
from coterie.models.loading import LoadedModel
from coterie.tasks.text.batches import IGNORE_INDEX, TextCollator, mark_prompt
from coterie.tasks.text.generation import prepare_inputs


def rank_choices(
    loaded: LoadedModel,
    collator: TextCollator,
    sample: TextSample,
    choices: Sequence[str],
    *,
    per_token: bool = False,
) -> ChoicePrediction:
    """Compute the log-likelihood of each choice as the answer to a sample's prompt, in nats.

    The token that ends the turn is part of each. If `per_token`, it is the mean over the tokens,
    so that long choices are not at a disadvantage. The choices are one batch.

    Raises ValueError for less than two choices, or two that are equal.
    """
    if len(set(choices)) < max(2, len(choices)):
        raise ValueError(f"choices={list(choices)!r}: give two or more that differ")
    answered = [replace(sample, answers=(choice,)) for choice in choices]
    chosen, of_answer, _ = compute_log_probs(loaded, collator, answered)
    totals = torch.where(of_answer, chosen, 0.0).sum(1)
    scores = totals / of_answer.sum(1) if per_token else totals
    return ChoicePrediction(scores=dict(zip(choices, scores.tolist(), strict=True)))


def compute_likelihoods(
    loaded: LoadedModel, collator: TextCollator, samples: Sequence[TextSample]
) -> list[tuple[float, bool]]:
    """Compute each first answer's log-likelihood, in nats, and whether it is the greedy one.

    Without the token that ends the turn, as lm-eval and lmms-eval have it. The samples are one
    batch.
    """
    chosen, of_answer, is_best = compute_log_probs(loaded, collator, samples)
    last = of_answer & (of_answer.flip(1).cumsum(1).flip(1) == 1)
    counted = of_answer & ~last
    totals = torch.where(counted, chosen, 0.0).sum(1).tolist()
    return list(zip(totals, (is_best | ~counted).all(1).tolist(), strict=True))


@torch.no_grad()
def compute_log_probs(
    loaded: LoadedModel, collator: TextCollator, samples: Sequence[TextSample]
) -> tuple[Float[Tensor, "batch seq"], Bool[Tensor, "batch seq"], Bool[Tensor, "batch seq"]]:
    """Compute the log-probability of each token, given those before it.

    Also which tokens are those of the answer with the end of its turn, and which are the most
    probable ones. The first token of a sequence is left out.
    """
    model: Any = loaded.model
    model.eval()
    inputs = prepare_inputs(collator(samples), model)
    labels = inputs.pop("labels")
    if "task_ids" in inputs:  # a mixture, whose gates may pool the prompt
        inputs["prompt_mask"] = inputs["attention_mask"].bool() & mark_prompt(labels)
    # The last token predicts nothing; in float32, as the loss is.
    log_probs = F.log_softmax(model(**inputs).logits[:, :-1].float(), dim=-1)
    targets = labels[:, 1:]
    chosen = log_probs.gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    return chosen, targets != IGNORE_INDEX, log_probs.argmax(-1) == targets
