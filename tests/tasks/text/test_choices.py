"""Ranked choices: their scores are the model's own losses of each choice alone."""

from dataclasses import replace

import pytest
import torch

import coterie
from coterie.models.loading import LoadedModel, load
from coterie.tasks.text.batches import TextCollator, compute_token_losses
from coterie.tasks.text.choices import compute_likelihoods, rank_choices
from coterie.tasks.text.generation import predict, prepare_inputs
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


def test_the_gates_of_a_mixture_see_the_prompt_alone() -> None:
    loaded = load(base())
    mixture = coterie.Mixture(experts=coterie.Lora(ranks=(2, 2)), gate=coterie.InstanceGate())
    model = coterie.graft(loaded.model, mixture)
    for name, values in model.named_parameters():
        if "coterie_" in name:  # B is 0 at first, so that experts would not matter
            torch.nn.init.normal_(values, generator=torch.Generator().manual_seed(0))
    collator, sample = TextCollator(loaded.processor, ["a"]), ask("is it a cat?")
    found = rank_choices(replace(loaded, model=model), collator, sample, CHOICES).scores
    for choice in CHOICES:
        inputs = prepare_inputs(collator([replace(sample, answers=(choice,))]), model)
        with torch.no_grad():
            losses = compute_token_losses(model, None, inputs).losses
        assert found[choice] == pytest.approx(-float(losses.sum()), abs=1e-4)


def test_likelihoods_are_without_the_end_of_the_turn(tiny: LoadedModel) -> None:
    collator, sample = TextCollator(tiny.processor, ["a"]), ask("is it a cat?")
    samples = [replace(sample, answers=(choice,)) for choice in CHOICES]
    found = compute_likelihoods(tiny, collator, samples)
    for each, (likelihood, _) in zip(samples, found, strict=True):
        batch = collator([each])
        batch.pop("task_ids")
        batch["labels"][0, -1] = -100
        count = int(batch["labels"].ne(-100).sum())
        with torch.no_grad():
            loss = float(tiny.model(**batch).loss)
        assert likelihood == pytest.approx(-loss * count, abs=1e-4)
    (greedy,), _ = predict(tiny, collator, [sample], batch_size=1, max_new_tokens=1)
    samples = [replace(sample, answers=(answer,)) for answer in (greedy, "is")]
    assert [is_greedy for _, is_greedy in compute_likelihoods(tiny, collator, samples)] == [
        True, greedy == "is"
    ]  # fmt: skip


def test_choices_differ(tiny: LoadedModel) -> None:
    collator = TextCollator(tiny.processor, ["a"])
    for choices in (["yes"], ["yes", "yes"]):
        with pytest.raises(ValueError, match=r"choices=\['yes'.*\]: give two or more that differ"):
            rank_choices(tiny, collator, ask("?"), choices)
