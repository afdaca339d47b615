"""Questions are spoken in the voices of their split."""

from itertools import islice

from coterie_demo.pantry.speech import VOICES_OF_SPLIT
from coterie_demo.pantry.tasks.spoken_question import SpokenQuestion
from tests.demo.pantry.splits import SPLITS


def test_voices_of_a_split(larder):
    found = {
        split: {row["voice"] for row in islice(SpokenQuestion().generate_rows(larder, split), 60)}
        for split in SPLITS
    }
    assert found == {split: set(voices) for split, voices in VOICES_OF_SPLIT.items()}
    assert len(larder.clips) > 0
