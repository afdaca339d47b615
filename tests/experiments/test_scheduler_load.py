"""Clients that ask again when they are answered, on a clock that counts its readings."""

from functools import partial
from itertools import count
from pathlib import Path

from coterie.data.sample import Message, TextSample
from experiments.scheduler_load import answer_all
from tests.serve.engines import load, two_tasks


def test_answers_and_times(tmp_path: Path) -> None:
    engine = load(two_tasks(tmp_path), max_rows=4)
    samples = [
        TextSample(task=("yes", "no")[n % 2], messages=(Message(role="user", parts=(str(n),)),),
                   answers=(), source=str(n))
        for n in range(6)
    ]  # fmt: skip
    texts = []
    for clients in (1, 4):
        ticks = count()
        lengths = [3, 1, 2, 4, 5, 1]
        answers = answer_all(engine, samples, lengths, clients, partial(next, ticks))
        texts.append([each.text for each in answers])
        # The clock is read when a request begins and at each token: 6 + 16 times.
        assert next(ticks) == 22
        if clients == 1:  # nothing comes between a request's tokens
            assert [(each.first_s, each.whole_s) for each in answers] == [
                (1, length) for length in lengths
            ]
        else:  # four begin, the first of them alone: its token is the 5th reading, 4 after its own
            assert answers[0].first_s == 4
    assert texts[0] == texts[1]
