"""Rows of text predictions, and what tells samples apart."""

from dataclasses import replace

from coterie.data.sample import MediaFile, Message
from coterie.metrics.text.contains import ContainsAnswer
from coterie.metrics.text.exact_match import ExactMatch
from coterie.tasks.text.prediction_rows import compute_samples_digest, make_rows
from tests.evaluate.runs import sample


def test_the_digest_is_of_text_answers_and_media() -> None:
    one = sample("a", 0)
    pictures = [
        replace(
            one, messages=(Message(role="user", parts=(MediaFile(kind="image", content=content),)),)
        )
        for content in (b"x", b"y")
    ]
    others = [sample("a", 1), replace(one, answers=("no",)), *pictures]
    assert len({compute_samples_digest([each]) for each in (one, *others)}) == 5
    assert compute_samples_digest([one]) == compute_samples_digest([sample("a", 0)])


def test_a_row_has_question_prediction_and_answers() -> None:
    first, second = make_rows([sample("a", 0), sample("a", 1)], ["yes", "oh yes"])
    assert first == {
        "source": "rows.jsonl:1", "question": "is 0 a number?", "prediction": "yes",
        "answers": ["yes"],
    }  # fmt: skip
    # "oh yes" is not "yes", but contains it: half of the answers match exactly.
    for metric, wanted in ((ExactMatch(), 50), (ContainsAnswer(), 100)):
        fitted, statistics = metric.compute_statistics([first, second])
        assert fitted.score(statistics.sum(0)) == wanted
