"""Samples as chat, and without their media; what is read of media files, and errors."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from coterie.data.sample import MediaFile, Message, TextSample
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


def test_a_picture_in_a_file_and_in_memory(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png((10, 20, 30)))
    for media in (
        MediaFile(kind="image", path=tmp_path / "a.png"),
        MediaFile(kind="image", content=png((10, 20, 30))),
    ):
        image = media.load()
        assert image.mode == "RGB" and image.size == (8, 6)
        assert image.getpixel((3, 3)) == (10, 20, 30)
        assert media.compute_digest() == hashlib.sha256(png((10, 20, 30))).hexdigest()
    assert "x89" not in repr(media)


def test_errors_name_the_file_or_the_bytes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"x\.png cannot be read: No such file"):
        MediaFile(kind="image", path=tmp_path / "x.png").load()
    with pytest.raises(ValueError, match=r"audio of 3 bytes is no sound .*begins with b'abc'"):
        MediaFile(kind="audio", content=b"abc").load()


def test_kind_and_place_are_checked(unchecked) -> None:
    known = r"MediaFile\(kind='smell'\): give image or video or audio"
    with pytest.raises(ValueError, match=known):
        MediaFile(kind="smell", content=b"")
    with pytest.raises(ValueError, match=r"give either `path`, a file, or `content`, its bytes"):
        MediaFile(kind="image")
    with pytest.raises(ValueError, match=r"give either"):
        MediaFile(kind="image", path=Path("a"), content=b"a")


def test_large_pictures_are_scaled_down() -> None:
    image, whole = SAMPLE.to_chat_messages(12)[1]["content"][0]["image"], IMAGE.load()
    assert whole.size == (8, 6) and image.size == (4, 3)
    assert IMAGE.load(48).size == (8, 6)
    assert len(AUDIO.load(1)) == len(AUDIO.load())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS, not the file"),
        (b"\n<!DOCTYPE html><html>", "is a web page, such as a failed download leaves"),
        (b"%PDF-1.7", "is a PDF document: save its pages as pictures"),
    ],
)
def test_what_is_no_media(content: bytes, message: str) -> None:
    for kind in ("image", "audio"):
        with pytest.raises(ValueError, match=message):
            MediaFile(kind=kind, content=content).load()
