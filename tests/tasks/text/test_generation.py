"""Answers of a tiny model."""

import pytest
import torch

import coterie
from coterie.data.sample import Message, TextSample
from coterie.models.loading import LoadedModel, load
from coterie.routing.usage import ExpertUsage
from coterie.tasks.text.batches import TextCollator
from coterie.tasks.text.generation import (
    estimate_prompt_length,
    get_end_token_ids,
    observe_prompt,
    predict,
)
from tests.evaluate.runs import base
from tests.tinies.text import llama


@pytest.fixture(scope="module")
def tiny() -> LoadedModel:
    return load(base())


def ask(text: str) -> TextSample:
    turn = Message(role="user", parts=(text,))
    return TextSample(task="a", messages=(turn,), answers=("yes",), source="rows.jsonl:1")


ASKED = [ask("is it?"), ask("what is this on a mat, and why is it on it?"), ask("a cat")]


def test_answers_come_in_the_order_of_the_samples_whatever_the_batch(tiny: LoadedModel) -> None:
    collator = TextCollator(tiny.processor, ["a"])
    ticks: list[int] = []
    together, seconds = predict(
        tiny, collator, ASKED, batch_size=2, max_new_tokens=5, on_batch_end=ticks.append
    )
    alone = [
        predict(tiny, collator, [each], batch_size=1, max_new_tokens=5)[0][0] for each in ASKED
    ]
    assert together == alone and ticks == [2, 3] and seconds > 0
    assert all(text == text.strip() for text in together)


def test_an_answer_ends_with_the_turn(tiny: LoadedModel, monkeypatch) -> None:
    collator = TextCollator(tiny.processor, ["a"])
    assert (
        get_end_token_ids(tiny, collator)[0] == collator.end_of_turn == tiny.processor.eos_token_id
    )
    head = tiny.model.get_output_embeddings()
    ended = torch.full((1, 1, head.out_features), -9.0)
    ended[..., collator.end_of_turn] = 9
    monkeypatch.setattr(head, "forward", lambda x: ended.expand(*x.shape[:2], -1))
    assert predict(tiny, collator, ASKED, batch_size=3, max_new_tokens=50)[0] == ["", "", ""]


def test_no_samples_give_no_answers(tiny: LoadedModel) -> None:
    collator = TextCollator(tiny.processor, ["a"])
    assert predict(tiny, collator, [], batch_size=2, max_new_tokens=5) == ([], 0)


def test_length_counts_text() -> None:
    assert estimate_prompt_length(ask("four")) == 4


def test_the_prompt_is_observed_and_the_answer_is_not() -> None:
    tiny = llama()
    model = coterie.graft(tiny.model, coterie.Mixture(experts=coterie.Lora(ranks=(2, 2))))
    prompt = {key: tiny.batch[key] for key in ("input_ids", "attention_mask")}
    usage, alone = ExpertUsage(("a",)), ExpertUsage(("a",))
    with observe_prompt(model, usage.add):
        model.generate(**prompt, max_new_tokens=4, do_sample=False)
    with observe_prompt(model, alone.add):
        model(**prompt)
    assert usage.to_json() == alone.to_json() and len(usage.sums) == 6  # two layers of three
    tokens = float(prompt["attention_mask"].sum())
    assert all(each["count"] == {"a": [tokens]} for each in usage.to_json().values())
    with observe_prompt(model, None):
        model(**prompt)
