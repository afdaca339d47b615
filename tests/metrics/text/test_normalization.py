"""Normal forms of answers."""

import pytest

from coterie.metrics.text.normalization import (
    normalize,
    normalize_speech,
    split_unspaced,
    to_snake_case,
    words_in,
)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("The  Cat!", "cat"),
        ("3.5", "3.5"),
        ("1,234.50 g.", "1234.50 g"),
        ("-3 C", "-3 c"),
        ("5 - 3", "5 3"),
        ("\u22123 C", "-3 c"),  # the minus sign of typography
        ("\u207b3", "-3"),  # superscript minus, which NFKC makes U+2212
        ("5 \u2212 3", "5 3"),
        ("-.5", "-.5"),
        ("ice-cream", "ice cream"),
        ("U.S.", "us"),
        ("it\u2019s", "its"),
        ("$5", "5"),
        ("10.", "10"),
        ("A", "a"),  # nothing would be left
        ("?", "?"),
        ("", ""),
        ("\uff21\uff22", "ab"),  # full width
        ("STRASSE", "strasse"),
        ("C++.", "c++"),
        ("C#", "c#"),
        ("F\u266f", "f#"),
        ("B+", "b+"),
        ("A-", "a-"),
        ("AB\u2013", "ab-"),  # a dash for a minus
        ("the grade A*", "grade a*"),
        ("**A**", "a"),
        ("*A* or *B*", "a or b"),
        ("A.", "a"),
        ("A, B", "a b"),
        ("vitamin A", "vitamin a"),
        ("a 5 kg bag", "5 kg bag"),
        ('the "cat"', "cat"),
        (".NET", ".net"),
        ("...well", "well"),
        ("1/2", "1/2"),
        ("1\u00bd", "1 1/2"),
        ("10\u00b2", "10^2"),
        ("10\u207b\u00b3", "10^-3"),
        ("x=5", "x = 5"),
        ("\u2192 yes =", "yes"),  # signs without a term on both sides
        ("I \U0001f44d", "i \U0001f44d"),  # thumbs up, not down
        ("\u200bcat\u200f", "cat"),  # not seen
        ("\u0663", "3"),  # Arabic
        ("\u0915\u093f", "\u0915\u093f"),  # a vowel sign of Hindi
    ],
)
def test_normal(text: str, expected: str) -> None:
    assert normalize(text) == expected
    assert normalize(expected) == expected  # nothing is left to do


@pytest.mark.parametrize(
    "text, expected",
    [
        ("\u6771\u4eac\u3067\u3059\u3002", ["\u6771", "\u4eac", "\u3067", "\u3059"]),
        ("iPhone\u3092 2\u53f0", ["iphone", "\u3092", "2", "\u53f0"]),
        ("\uff76\uff9e", ["\u30ac"]),  # half-width ka with its voicing mark is one ga
        # Thai for water: n with its tone; NFKC parts the vowel am into a sign on the n and aa.
        ("\u0e19\u0e49\u0e33", ["\u0e19\u0e49\u0e4d", "\u0e32"]),
        ("\u0e51\u0e52", ["12"]),  # Thai digits
        ("\uc11c\uc6b8 \uc2dc", ["\uc11c\uc6b8", "\uc2dc"]),  # Korean has spaces
        ("The cafe\u0301, 3.5!", ["caf\u00e9", "3.5"]),
        ("", []),
    ],
)
def test_words_in(text: str, expected: list[str]) -> None:
    assert words_in(text) == expected


def test_spoken_keeps_apostrophes_and_articles() -> None:
    assert normalize_speech("The dog's  bone, 3-times!") == "the dog's bone 3 times"
    assert normalize_speech("?") == "?"
    assert normalize_speech("C++, not C; -5") == "c++ not c -5"
    assert normalize_speech("5 + 2 = 7") == "5 2 7"  # as Whisper's
    assert normalize("5 + 2") != normalize("5 2")


def test_spoken_keeps_vowel_signs_and_splits_scripts_without_spaces() -> None:
    assert normalize_speech("\u0915\u093f \u0915\u0940!") == "\u0915\u093f \u0915\u0940"
    assert split_unspaced("\u0e2a\u0e27\u0e31\u0e2a") == "\u0e2a \u0e27\u0e31 \u0e2a"


@pytest.mark.parametrize(
    "one, other",
    [
        ("\u0995\u09bf", "\u0995\u09c0"),  # Bengali
        ("\u0b95\u0bbf", "\u0b95\u0bc0"),  # Tamil
        ("\u0e01\u0e34", "\u0e01\u0e35"),  # Thai
        ("\u1780\u17b7", "\u1780\u17b8"),  # Khmer
        ("\u05d1\u05b0", "\u05d1\u05b1"),  # Hebrew points
        ("\u0643\u064e", "\u0643\u064f"),  # Arabic marks
        ("C++", "C"),
        ("10\u00b2", "102"),
    ],
)
def test_other_answers_stay_others(one: str, other: str) -> None:
    assert normalize(one) != normalize(other)
    assert normalize_speech(one) != normalize_speech(other)


@pytest.mark.parametrize(
    "one, other",
    [
        ("<5", ">5"),
        (">5", "5"),
        ("\u22655", "\u22645"),  # at least, at most
        ("\u00b15", "5"),
        ("\u221a2", "2"),
        ("\u20ac5", "$5"),
        ("\u20ac5", "\u00a35"),
        ("5 \u20ac", "5 \u00a3"),
        ("B-", "B"),
    ],
)
def test_signs_before_a_number_and_currencies_are_others(one: str, other: str) -> None:
    assert normalize(one) != normalize(other)


@pytest.mark.parametrize(
    "one, other",
    [
        ("= 5", "5"),
        ("> Paris", "Paris"),  # a quotation
        ("\u2192 5", "5"),
        ("+5", "5"),
        ("$5", "5"),
        ("5 \u20ac", "\u20ac5"),
        ("12.50\u20ac", "\u20ac 12.50"),
        ("x\u00b2", "x^2"),
        ("x^{2}", "x^2"),
        ("10^{3}", "10\u00b3"),
    ],
)
def test_the_same_in_two_forms(one: str, other: str) -> None:
    assert normalize(one) == normalize(other)


def test_snake() -> None:
    assert [*map(to_snake_case, ["WordErrorRate", "R2", "TokenF1"])] == [
        "word_error_rate",
        "r2",
        "token_f1",
    ]
