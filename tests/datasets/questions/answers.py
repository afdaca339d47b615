"""Answers of models, made by hand and generated, to hold readers of answers to plain rules."""

import random
from collections.abc import Sequence

HAND_MADE = (
    "",
    " ",
    "A",
    "b",
    "(C)",
    "D.",
    "E",
    "A. cats",
    "B) dogs",
    "The answer is C.",
    "The answer is D",
    "The best answer is: A",
    "Best answer: B",
    "Best option: C",
    "The correct option is D",
    "The best option is E",
    "I think it is B.",
    "None",
    "Z",
    "cats",
    "Cats and dogs",
    "yes",
    "Yes,",
    "no",
    "No.",
    "not at all",
    "There is no dog. Yes",
    "NO",
    "A or B",
    "A\nbecause",
    "C. birds",
    "The answer is E",
    "The answer is F.",
    "Because both are there, A and B cannot be told apart by anyone in this image",
    "I'm sorry, but without the image provided I cannot tell",
    "Cannot determine the answer",
    "5",
    "5%",
    "0.05",
    "4.8",
    "1,000",
    "1_000",
    "nan",
    "inf",
    "-5",
    "five",
    "1e3",
    "2020",
    "\u7b54\u6848\u662f A",
    "\u0646\u0639\u0645",
    '{"answer": "A"} and more',
    "A" * 3000,
    "the the",
    "3 dogs",
    "dont",
    "U.S.",
    "fish",
    "The answer is fish",
    "it is none of the things named there",
)
"""At least one for each branch of each rule."""
WORDS = (
    "A B C D E a (A) (B) B. C, answer The is best option: yes no No not cats dogs birds fish . , 5 "
    "10 95 95% the an 0.5 sorry Z"
).split()


def make_answers(count: int = 200, seed: int = 0, words: Sequence[str] = WORDS) -> list[str]:
    """Return the hand-made answers, and generated ones of up to fourteen words."""
    rng = random.Random(seed)
    generated = (" ".join(rng.choices(words, k=rng.randint(1, 14))) for _ in range(count))
    return [*HAND_MADE, *generated][:count]
