"""Edits in words and characters."""

import jiwer
import pytest

from coterie.metrics.text.error_rate import CharacterErrorRate, WordErrorRate
from tests.metrics.cases import pairs, score, text_statistics


def test_words_by_hand() -> None:
    # "a b c" to "a x c d": one changed, one more: 2 of 3. Case and comma do not count.
    assert score(WordErrorRate(), ("A, x c d", ("a b c",))) == pytest.approx(200 / 3)
    # Silence leaves out all: 3 of 3; together 5 of 6.
    cases = [("a x c d", ("a b c",)), ("", ("a b c",))]
    assert score(WordErrorRate(), *cases) == pytest.approx(500 / 6)


def test_characters_by_hand() -> None:
    # "kitten" to "sitting": 3 edits of 6.
    assert score(CharacterErrorRate(), ("sitting", ("kitten",))) == 50.0


def test_the_nearest_answer_counts() -> None:
    # One edit of 2 against two of 3.
    assert text_statistics(WordErrorRate(), "a x", ("b y c", "a b")).tolist() == [1, 2]


def test_a_vowel_sign_is_an_edit_and_parts_no_word() -> None:
    # One word of one is another; one of its two characters is.
    hindi = ("\u0915\u093f", ("\u0915\u0940",))
    assert score(WordErrorRate(), hindi) == 100.0
    assert score(CharacterErrorRate(), hindi) == 50.0
    # Muhammad with and without its five vowel marks: one word for one.
    marked = "\u0645\u064f\u062d\u064e\u0645\u0651\u064e\u062f"
    assert score(WordErrorRate(), (marked, ("\u0645\u062d\u0645\u062f",))) == 100.0
    # Thai has no spaces: of four characters, two lack their sign.
    thai = ("\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", ("\u0e2a\u0e27\u0e2a\u0e14",))
    assert score(WordErrorRate(), thai) == 50.0


def test_as_it_stands() -> None:
    assert score(WordErrorRate(normalize=False), ("A b", ("a b",))) == 50.0


def test_as_jiwer() -> None:
    predictions, answers = zip(*pairs(60, seed=0), strict=True)
    cases = [(p, (a,)) for p, a in zip(predictions, answers, strict=True)]
    for metric, theirs in ((WordErrorRate, jiwer.wer), (CharacterErrorRate, jiwer.cer)):
        expected = 100 * theirs(list(answers), list(predictions))
        assert score(metric(normalize=False), *cases) == pytest.approx(expected)
