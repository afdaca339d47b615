"""The same words in every split, in other voices."""

from itertools import islice

from coterie_demo.pantry.tasks.spoken import build_vocabulary
from coterie_demo.pantry.tasks.spoken_initial import SpokenInitial
from tests.demo.pantry.splits import SPLITS, apart


def test_spoken_initial_has_the_same_words_in_other_voices(larder):
    rows = {s: list(islice(SpokenInitial().generate_rows(larder, s), 2000)) for s in SPLITS}
    # 140 words in 8 voices to learn from, in 1 and 3 others to look at and to test.
    assert [len(rows[split]) for split in SPLITS] == [1120, 140, 420]
    assert apart({split: [row["voice"] for row in found] for split, found in rows.items()})
    words = {split: {row["word"]: row["answer"] for row in found} for split, found in rows.items()}
    assert words["train"] == words["test"] == {word: word[0] for word in build_vocabulary()}
