"""The likelihood of each of several answers: choices that are ranked, and not generated."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F

from coterie.data.sample import TextSample
from coterie.metrics.base import ChoicePrediction
from coterie.models.loading import LoadedModel
from coterie.tasks.text.batches import IGNORE_INDEX, TextCollator, mark_prompt
from coterie.tasks.text.generation import prepare_inputs


@torch.no_grad()
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
    model: Any = loaded.model
    model.eval()
    answered = [replace(sample, answers=(choice,)) for choice in choices]
    inputs = prepare_inputs(collator(answered), model)
    labels = inputs.pop("labels")
    if "task_ids" in inputs:  # a mixture, whose gates may pool the prompt
        inputs["prompt_mask"] = inputs["attention_mask"].bool() & mark_prompt(labels)
    # The last token predicts nothing; in float32, as the loss is.
    log_probs = F.log_softmax(model(**inputs).logits[:, :-1].float(), dim=-1)
    targets = labels[:, 1:]
    of_answer = targets != IGNORE_INDEX
    chosen = log_probs.gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    totals = torch.where(of_answer, chosen, 0.0).sum(1)
    scores = totals / of_answer.sum(1) if per_token else totals
    return ChoicePrediction(scores=dict(zip(choices, scores.tolist(), strict=True)))
