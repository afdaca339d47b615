"""Requests of samples, and what is made of their times."""

import io

import pytest

from coterie.data.sample import MediaFile, Message, TextSample
from experiments.server_load import Answered, describe, make_request, read_pieces


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
