"""Notes have keys of their instrument, and last as long as asked."""

from random import Random

import pytest

from coterie_demo.pantry.tasks.notes import INSTRUMENTS, choose_keys, play_notes


def test_keys_are_those_of_the_instrument():
    for name, (_, low, high) in INSTRUMENTS.items():
        keys = choose_keys(name, 50, Random(0))
        assert low <= min(keys) and max(keys) <= high and max(keys) - min(keys) <= 12


def test_notes_last_as_long_as_asked(fonts):
    # Two notes of 0.3 s and a gap of 0.1 s: 0.7 s, 11200 samples, less the rise of the first.
    played = play_notes(fonts, "test", "piano", [60, 64], note_s=0.3, gap_s=0.1)
    assert len(played) == pytest.approx(11200, abs=40)
    assert abs(played[5400]) < 0.05  # in the gap, at 0.34 s
