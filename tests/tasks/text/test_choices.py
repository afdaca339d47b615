"""Ranked choices: their scores are the model's own losses of each choice alone."""

from dataclasses import replace

import pytest
import torch

from coterie.models.loading import LoadedModel, load
from coterie.tasks.text.batches import TextCollator
from coterie.tasks.text.choices import rank_choices
from tests.evaluate.runs import base
from tests.tasks.text.test_generation import ask

CHOICES = ("yes", "it is on a mat", "no")


@pytest.fixture(scope="module")
def tiny() -> LoadedModel:
    return load(base())


def test_scores_are_the_losses_of_the_model(tiny: LoadedModel) -> None:
    collator, sample = TextCollator(tiny.processor, ["a"]), ask("is it a cat?")
    found = rank_choices(tiny, collator, sample, CHOICES).scores
    means = rank_choices(tiny, collator, sample, CHOICES, per_token=True).scores
    for choice in CHOICES:
        batch = collator([replace(sample, answers=(choice,))])
        batch.pop("task_ids")
        count = int(batch["labels"].ne(-100).sum())
        with torch.no_grad():
            loss = float(tiny.model(**batch).loss)
        assert means[choice] == pytest.approx(-loss, abs=1e-5)
        assert found[choice] == pytest.approx(-loss * count, abs=1e-4)


def test_choices_differ(tiny: LoadedModel) -> None:
    collator = TextCollator(tiny.processor, ["a"])
    for choices in (["yes"], ["yes", "yes"]):
        with pytest.raises(ValueError, match=r"choices=\['yes'.*\]: give two or more that differ"):
            rank_choices(tiny, collator, ask("?"), choices)
