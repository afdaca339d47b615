"""Requests of samples, and what is made of their times."""

import io
import json
from pathlib import Path

import pytest

from coterie.data.sample import MediaFile, Message, TextSample
from experiments.server_load import (
    Answered,
    describe,
    make_request,
    read_pieces,
    save,
    spread,
)


def test_a_sample_as_a_request() -> None:
    picture = MediaFile(kind="image", content=b"abc")
    parts = (picture, "what is it?")
    message = Message(role="user", parts=parts)
    sample = TextSample(task="naming", messages=(message,), answers=("a cat",), source="row 1")
    assert make_request("naming", sample) == {
        "model": "naming",
        "stream": True,
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"data": "YWJj"}},  # abc in base64
                    {"type": "text", "text": "what is it?"},
                ],
            }
        ],
    }


def test_times() -> None:
    answers = [Answered(text="", first_s=0.1 * n, whole_s=float(n)) for n in range(1, 22)]
    found = describe(answers, 10.0)
    assert found["requests_per_s"] == 2.1  # 21 in 10 s
    assert found["first_median_s"] == pytest.approx(1.1)  # the 11th of 21
    assert found["whole_p95_s"] == 20  # place 0.95 * 20 = 19, from 0


def test_pieces_of_a_stream() -> None:
    assert list(read_pieces(io.BytesIO(b'data: {"a": 1}\n\ndata: [DONE]\n\n'))) == [{"a": 1}]


def test_lengths_in_turn() -> None:
    # 13 * n modulo 33, from 16
    assert [spread(n, 16, 48) for n in range(4)] == [16, 29, 42, 22]
    assert sorted(spread(n, 16, 48) for n in range(33)) == list(range(16, 49))
    assert {spread(n, 32, 32) for n in range(9)} == {32}


def test_a_case_replaces_the_one_of_its_name(tmp_path: Path) -> None:
    file = tmp_path / "cases.json"
    for name, number in (("a", 1), ("b", 2), ("a", 3)):
        save("load", {"case": name, "requests": number}, file)
    assert json.loads(file.read_text())["cases"] == [
        {"case": "b", "requests": 2}, {"case": "a", "requests": 3}
    ]  # fmt: skip
