"""Every recorded word is trained on, in the voices of its split."""

from itertools import islice

from coterie_demo.pantry.catalog import read_recordings
from coterie_demo.pantry.speech import VOICES_OF_SPLIT
from coterie_demo.pantry.tasks.spoken import WORDS, Spoken, build_vocabulary
from tests.demo.pantry.splits import SPLITS


def test_every_recorded_word_is_trained_on():
    assert len(build_vocabulary()) == len(set(build_vocabulary())) == WORDS
    assert {row["word"] for row in read_recordings()} <= set(build_vocabulary())


def test_voices_of_a_split(larder):
    found = {
        split: {row["voice"] for row in islice(Spoken().generate_rows(larder, split), 60)}
        for split in SPLITS
    }
    assert found == {split: set(voices) for split, voices in VOICES_OF_SPLIT.items()}
    assert len(larder.clips) > 0
