"""Samples as chat, and without their media."""

import numpy as np

from coterie.data.media import Media
from coterie.data.sample import Sample, Turn
from tests.data.files import png, tone, wav

IMAGE = Media(kind="image", content=png())
AUDIO = Media(kind="audio", content=wav(tone()))
SAMPLE = Sample(
    task="t",
    turns=(
        Turn(role="system", parts=("Be brief.",)),
        Turn(role="user", parts=(IMAGE,)),
        Turn(role="assistant", parts=("A cat.",)),
        Turn(role="user", parts=("Where", AUDIO, "is it?")),
    ),
    answers=("there",),
    source="r.jsonl:1",
)


def test_media_come_in_their_order() -> None:
    assert SAMPLE.media() == (IMAGE, AUDIO)


def test_text_is_that_of_the_last_turn() -> None:
    assert SAMPLE.text() == "Where\nis it?"


def test_chat_is_what_transformers_takes() -> None:
    system, first, reply, last = SAMPLE.chat()
    assert system == {"role": "system", "content": [{"type": "text", "text": "Be brief."}]}
    assert [part["type"] for part in first["content"]] == ["image"]
    assert first["content"][0]["image"].size == (8, 6)
    assert reply == {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]}
    assert [part["type"] for part in last["content"]] == ["text", "audio", "text"]
    samples = last["content"][1]["audio"]
    assert samples.dtype == np.float32 and samples.shape == (1600,)


def test_blind_leaves_the_words() -> None:
    blind = SAMPLE.blind()
    assert blind.media() == () and blind.answers == SAMPLE.answers
    assert [turn.parts for turn in blind.turns] == [
        ("Be brief.",),
        ("",),  # a turn of a picture alone stays a turn
        ("A cat.",),
        ("Where", "is it?"),
    ]
