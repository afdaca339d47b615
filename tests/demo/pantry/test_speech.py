"""Voices are apart, and a failure of eSpeak NG is one clear message."""

from pathlib import Path

import pytest

from coterie_demo.pantry.assets import SpeechClip
from coterie_demo.pantry.speech import VOICES_OF_SPLIT, speak
from tests.demo.pantry.splits import apart


def test_each_split_has_voices_of_its_own():
    assert apart(VOICES_OF_SPLIT)


def test_a_library_that_is_missing_is_told(tmp_path: Path):
    with pytest.raises(ValueError, match=r"(?s)failed with status 1: .*espeak-ng.*fetch again"):
        speak([SpeechClip(voice="en-us", text="cat")], tmp_path, tmp_path)


def test_nothing_to_say_runs_nothing(tmp_path: Path):
    speak([], tmp_path / "missing", tmp_path)
