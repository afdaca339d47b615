"""Samples as chat, and without their media."""

import numpy as np

from coterie.data.media import MediaFile
from coterie.data.sample import Message, TextSample
from tests.data.files import png, tone, wav

IMAGE = MediaFile(kind="image", content=png())
AUDIO = MediaFile(kind="audio", content=wav(tone()))
SAMPLE = TextSample(
    task="t",
    messages=(
        Message(role="system", parts=("Be brief.",)),
        Message(role="user", parts=(IMAGE,)),
        Message(role="assistant", parts=("A cat.",)),
        Message(role="user", parts=("Where", AUDIO, "is it?")),
    ),
    answers=("there",),
    source="r.jsonl:1",
)


def test_media_come_in_their_order() -> None:
    assert SAMPLE.get_media() == (IMAGE, AUDIO)


def test_text_is_that_of_the_last_turn() -> None:
    assert SAMPLE.get_last_user_text() == "Where\nis it?"


def test_chat_is_what_transformers_takes() -> None:
    system, first, reply, last = SAMPLE.to_chat_messages()
    assert system == {"role": "system", "content": [{"type": "text", "text": "Be brief."}]}
    assert [part["type"] for part in first["content"]] == ["image"]
    assert first["content"][0]["image"].size == (8, 6)
    assert reply == {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]}
    assert [part["type"] for part in last["content"]] == ["text", "audio", "text"]
    samples = last["content"][1]["audio"]
    assert samples.dtype == np.float32 and samples.shape == (1600,)


def test_blind_leaves_the_words() -> None:
    blind = SAMPLE.without_media()
    assert blind.get_media() == () and blind.answers == SAMPLE.answers
    assert [turn.parts for turn in blind.messages] == [
        ("Be brief.",),
        ("",),  # a turn of a picture alone stays a turn
        ("A cat.",),
        ("Where", "is it?"),
    ]
