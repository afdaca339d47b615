"""Normal forms of answers."""

import pytest

from coterie.metrics.text.normalization import normalize, normalize_speech, to_snake_case, words_in


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
        ("\u0e51\u0e52", ["\u0e51\u0e52"]),  # Thai digits: 12
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


def test_snake() -> None:
    assert [*map(to_snake_case, ["WordErrorRate", "R2", "TokenF1"])] == [
        "word_error_rate",
        "r2",
        "token_f1",
    ]
