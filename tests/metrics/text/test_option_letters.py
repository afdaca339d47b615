"""Letters of options in answers."""

import pytest

from coterie.metrics.text.option_letters import (
    chooses_option,
    find_option_letter,
    is_option_letter,
)


@pytest.mark.parametrize(
    "text, letter",
    [
        ("**(B)**", "b"),
        ("The correct option is B.", "b"),
        ("answer is a.", "a"),
        ("The answer is a dog", ""),
        ("The answer is A because it is red", "a"),
        ("The answer is A or B", ""),
        ("Option A is wrong. The answer is B", "b"),
        ("A. The cat", "a"),
        ("I think it's A", "a"),
        ("\\boxed{C}", "c"),
        ("The answer is \\boxed{\\text{C}}", "c"),
        ("<answer>D</answer>", "d"),
        ("A cat", ""),
        ("", ""),
        ("B\n\nExplanation: A is not a cat", "b"),
        ("A\nThe answer is B", "b"),
        ("A because it is red", "a"),
        ("A, because it is red", "a"),
        ("A - red", "a"),
        ("- B", "b"),
        ("The final answer is: $\\text{(B)}$", "b"),
        ("Respuesta: B", "b"),
        ("\u7b54\u6848\u662fB", "b"),  # Chinese: the answer is B
        ("\u9009B", "b"),  # choose B
        # Grades, languages and tones are no letters of options.
        ("The answer is A+", ""),
        ("The answer is B-", ""),
        ("B-", ""),
        ("The answer is C#.", ""),
    ],
)
def test_the_chosen_letter(text: str, letter: str) -> None:
    assert find_option_letter(text) == letter


def test_what_is_an_option() -> None:
    assert is_option_letter("(c)") and not is_option_letter("5") and not is_option_letter("cat")
    assert not is_option_letter("\u662f")  # a Chinese word: no letter with a case
    assert chooses_option("answer: C", ("(c)", "cat")) and not chooses_option("C", ("cat",))
