"""Parsing of numbers in answers and predictions."""

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
    """Parse the first number written in digits, as in "about 1,250 kcal"; None without one.

    Thousands separators (commas) and exponents are parsed; units and currencies are ignored, and
    so are percent signs, unless `divides_percent`: then "95 %" is 0.95.
    """
    for match in NUMBER.finditer(text):
        digits = match[0].replace(",", "").replace("\u2212", "-")
        if any(map(str.isdigit, digits)) and digits.lstrip("+-")[0] not in "eE":
            number = float(digits)
            if divides_percent and PERCENT.match(text, match.end()):
                number /= 100
            if math.isfinite(number):
                return number
    return None


def parse_numbers(answers: tuple[str, ...], *, divides_percent: bool = False) -> list[float]:
    """Parse the number of each answer. Raises ValueError if one has none."""
    numbers = [parse_number(answer, divides_percent=divides_percent) for answer in answers]
    if None in numbers:
        raise ValueError(
            f"{answers[numbers.index(None)]!r} has no number in digits, and the metric compares "
            "numbers: mend the answer, or choose another metric"
        )
    return [number for number in numbers if number is not None]


def find_nearest(prediction: str, answers: tuple[str, ...]) -> tuple[float, float]:
    """Return (prediction, answer) as numbers, for the nearest answer; a missing prediction is 0."""
    predicted = parse_number(prediction) or 0.0
    return predicted, min(parse_numbers(answers), key=lambda answer: abs(answer - predicted))
