"""The number in an answer or a prediction."""

import math
import re

NUMBER = re.compile(
    r"(?<![\w.])"  # not in the middle of a word or a number
    r"[-+\u2212]?"
    r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)?"  # 1,234 or 1234 or nothing, as in .5
    r"(?:\.\d+)?"
    r"(?:[eE][-+]?\d+)?"
)


PERCENT = re.compile(r"\s*[%\uff05]")


def parse_number(text: str, *, divides_percent: bool = False) -> float | None:
    """The first number written in digits, as in "about 1,250 kcal"; None if there is none.

    Commas between thousands and exponents are understood; a unit or a currency does not change
    the number, and neither does a percent sign, unless `divides_percent`: then "95 %" is 0.95.
    """
    for match in NUMBER.finditer(text):
        digits = match[0].replace(",", "").replace("\u2212", "-")
        if any(map(str.isdigit, digits)) and digits.lstrip("+-")[0] not in "eE":
            number = float(digits)
            if math.isfinite(number):
                is_percent = divides_percent and PERCENT.match(text, match.end())
                return number / 100 if is_percent else number
    return None


def parse_numbers(answers: tuple[str, ...], *, divides_percent: bool = False) -> list[float]:
    """The number of each answer. Raises ValueError if one has none."""
    numbers = [parse_number(answer, divides_percent=divides_percent) for answer in answers]
    if None in numbers:
        raise ValueError(
            f"{answers[numbers.index(None)]!r} has no number in digits, and the metric compares "
            "numbers: mend the answer, or choose another metric"
        )
    return [number for number in numbers if number is not None]


def find_nearest(prediction: str, answers: tuple[str, ...]) -> tuple[float, float]:
    """(prediction, answer) as numbers, of the answer that is nearest.

    A prediction without a number counts as 0: leaving it out would reward silence.
    """
    predicted = parse_number(prediction) or 0.0
    return predicted, min(parse_numbers(answers), key=lambda answer: abs(answer - predicted))
