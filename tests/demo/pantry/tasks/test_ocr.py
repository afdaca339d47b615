"""A word is in one split."""

from coterie_demo.pantry.tasks import ocr
from tests.demo.pantry.splits import apart


def test_ocr_has_a_word_in_one_split():
    parts = ocr.split_words()
    assert apart(parts)
    assert all(3 <= len(word) <= 5 and word.isalpha() for part in parts.values() for word in part)
