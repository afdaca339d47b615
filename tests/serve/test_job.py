"""A job's tokens, its end, what it reports, and logits that a generation config changes."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import LogitsProcessorList, RepetitionPenaltyLogitsProcessor

from coterie.serve.answer_text import AnswerText
from coterie.serve.job import Job, Piece
from coterie.serve.sampling import ChosenToken, Sampling

END = 2


def make(pieces: list[Piece], mask: Sequence[int] = (1, 1), **options: Any) -> Job:
    ids = torch.arange(3, 3 + len(mask))[None]
    return Job(
        prompt={"input_ids": ids, "attention_mask": torch.tensor([mask])},
        sampling=Sampling(**{"max_tokens": 3} | options),
        ends=frozenset({END}),
        text=AnswerText(lambda tokens: "".join("abc"[each % 3] for each in tokens if each != END),
                        options.get("stop", ())),
        report=pieces.append,
    )  # fmt: skip


def test_an_end_token_ends_the_answer() -> None:
    pieces: list[Piece] = []
    job = make(pieces)
    assert job.prompt_tokens == job.num_tokens == 2 and not job.is_masked
    assert job.add(ChosenToken(0)) and not job.add(ChosenToken(END))
    assert (job.reason, job.text.text, job.num_tokens) == ("stop", "a", 4)
    assert [(piece.text, piece.reason) for piece in pieces] == [("a", None), ("", "stop")]


def test_the_longest_answer_and_a_stop_text() -> None:
    job = make([])
    assert [job.add(ChosenToken(each)) for each in (0, 1, 3)] == [True, True, False]
    assert (job.reason, job.text.text) == ("length", "aba")
    stopped = make([], stop=("b",))
    assert [stopped.add(ChosenToken(each)) for each in (0, 1)] == [True, False]
    assert (stopped.reason, stopped.text.text) == ("stop", "a")


def test_who_gives_up_and_what_fails() -> None:
    pieces: list[Piece] = []
    cancelled, failed = make(pieces), make(pieces)
    cancelled.give_up()
    error = ValueError("too bad")
    failed.give_up(error)
    assert [(piece.reason, piece.error) for piece in pieces] == [
        ("cancelled", None), ("error", error),
    ]  # fmt: skip
    assert failed.error is error and make([], mask=(0, 1)).is_masked


def test_processors_see_the_prompt_and_the_answer() -> None:
    job = make([])
    logits = torch.tensor([4.0, 3.5, 1.0, 3.0, 5.0])
    assert job.choose(logits).token == 4
    job.processors = LogitsProcessorList([RepetitionPenaltyLogitsProcessor(2.0)])
    # The prompt has tokens 3 and 4, whose logits are halved.
    assert job.choose(logits).token == 0
    job.add(ChosenToken(0))
    assert job.choose(logits).token == 1
