"""Normal forms of answers."""

import pytest

from coterie.metrics.words import normal, snake, spoken


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
    assert normal(text) == expected
    assert normal(expected) == expected  # nothing is left to do


def test_spoken_keeps_apostrophes_and_articles() -> None:
    assert spoken("The dog's  bone, 3-times!") == "the dog's bone 3 times"
    assert spoken("?") == "?"


def test_snake() -> None:
    assert [*map(snake, ["WordErrorRate", "R2", "TokenF1"])] == [
        "word_error_rate",
        "r2",
        "token_f1",
    ]
