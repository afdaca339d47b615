"""All instruments are asked for equally often."""

from itertools import islice
from random import Random

import pytest
import soundfile

from coterie_demo.pantry.sounds import COLUMN
from coterie_demo.pantry.tasks.instrument import Instrument, choose_tune
from coterie_demo.pantry.tasks.notes import INSTRUMENTS


def test_instruments_are_equally_frequent(fonts):
    rows = list(islice(Instrument().generate_rows(fonts, "test"), 20))
    assert sorted(row["answer"] for row in rows) == sorted(INSTRUMENTS)
    file = (fonts.folder / "instrument" / rows[0][COLUMN]).resolve()
    # Three notes of 0.5 s and two gaps of 0.05 s.
    assert soundfile.info(file).samplerate == 16_000
    assert soundfile.info(file).duration == pytest.approx(1.6, abs=0.01)


def test_training_and_validation_have_no_tune_in_common():
    for split, rests in (("train", {1, 2, 3, 4}), ("validation", {0})):
        found = {sum(choose_tune("harp", split, Random(seed))) % 5 for seed in range(60)}
        assert found == rests
