"""Parsing of numbers as people and models write them, in answers and predictions."""

import math
import re

from coterie.metrics.text.normalization import fold

GROUPED = (
    r"\d{1,3}(?:,\d{3})+(?!,?\d)(?:\.\d+)?"  # 1,234.5
    r"|\d{1,2}(?:,\d{2})+,\d{3}(?!,?\d)(?:\.\d+)?"  # 1,23,456
    r"|\d{1,3}(?:\.\d{3})+,\d+(?!,?\d)"  # 1.234,5
    r"|\d{1,3}(?:\.\d{3}){2,}(?!\.?\d)"  # 1.234.567
    r"|\d{1,3}(?:_\d{3})+(?!_?\d)(?:\.\d+)?"  # 1_234.5
    r"|\d{1,3}(?:'\d{3})+(?!\d)(?:\.\d+)?"  # 1'234.5
    r"|\d{1,3}(?: \d{3})+(?!\d)(?:[.,]\d+)?"  # 1 234.5
)
PLAIN = r"\d+,\d+(?![,.]?\d)|\d+\.?\d*|\.\d+"
"""A comma that parts no groups of three digits is a decimal comma: 1,5 and 0,125."""
CURRENCY = "[$\u20ac\u00a3\u00a5\u20b9\u20bd\u20a9\u20ba\u20aa\u0e3f\u20ab\u20a6\u20b1\u00a2]"
CURRENCY_BEFORE = (
    rf"(?:(?:us|au|ca)?{CURRENCY}|(?:usd|eur|gbp|inr|chf|jpy|cny|rmb|aud|cad|brl|mxn)|rs\.?)"
)
LATEX = (
    (re.compile(r"\\[dt]?frac\s*(?:\{\s*(\d+)\s*\}\s*\{\s*(\d+)\s*\}|(\d)\s*(\d))"), r" \1\3/\2\4"),
    (re.compile(r"(?<=\d)(?:\{,\}|\\[,;!])(?=\d{3})"), ","),  # between thousands
    (re.compile(r"\\(?=[%$\u20ac\u00a3])"), ""),
)
"""What LaTeX writes for signs in numbers, and the signs."""
SPACED = r"[^\W\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
"""Letters and digits but those of Thai, Chinese, Japanese and Korean, which no space divides."""
NUMBER = re.compile(
    rf"(?<!{SPACED})(?<!\.)(?<![^\W\d_]-)"  # not within a word or a number, nor in COVID-19
    rf"(?P<sign>[-+]|(?:minus|negative)\s+)?(?:{CURRENCY_BEFORE}\s?(?P<inner>[-+])?)?"
    r"(?:(?P<whole>\d+)\s+(?=\d+/\d))?"  # 1 1/2
    rf"(?P<digits>{GROUPED}|{PLAIN})"
    r"(?:/(?P<divisor>\d*[1-9]\d*)(?![\d/.]))?"
    r"(?:e(?P<exponent>[-+]?\d+)(?!\w))?"
    r"(?:\s?[x\u00d7*\u00b7\u22c5]\s?10\^(?P<ten>-?\d+)|(?<=\b10)\^(?P<power>-?\d+))?"
)
SCALES = {
    "hundred": 1e2, "thousand": 1e3, "k": 1e3, "million": 1e6, "mn": 1e6, "mln": 1e6, "mio": 1e6,
    "billion": 1e9, "bn": 1e9, "bln": 1e9, "mrd": 1e9, "trillion": 1e12, "tn": 1e12, "trn": 1e12,
    "lakh": 1e5, "crore": 1e7, "M": 1e6, "MM": 1e6, "B": 1e9,
    "\u4e07": 1e4, "\u842c": 1e4, "\u5104": 1e8, "\u4ebf": 1e8,
}  # fmt: skip
"""Of M, MM and B the small letter is a unit: 5 m is a length."""
CAPITALS = re.compile(r"(?<=\d)\s?(?:MM|M|B)(?!\w)")
MARKED = re.compile("(?:mm|m|b)\ue000")
SCALE = re.compile(
    r"\s?(?P<word>[\u4e07\u842c\u5104\u4ebf]|"
    rf"(?:{'|'.join(word for word in SCALES if word.isascii())})(?=s?\b)(?![^\Ws_]))"
)
PERCENT = re.compile(r"\s*(?:%|percent\b|per\s?cent\b|pct\b)")
PER_MILLE = re.compile("\\s*\u2030")
ANSWER = re.compile(r"\b(?:final\s+)?answer\b(?:\s+is)?|####|\\boxed|\bresult\s+is\b")
SUM = re.compile(r"=|\u2248|\b(?:therefore|thus|hence|so)\b")
IS = re.compile(r"\b(?:is|are|was|were|equals?)\b")
ASIDE = re.compile(r"\([^()]*=[^()]*\)")
LABEL = re.compile(
    r"\b(?:step|question|part|figure|fig\.?|table|page|no\.?|item|example)\s*#?\d+\b"
    r"|(?:^|(?<=\n))\s*\d+\)"
    r"|\b(?:in|since|by|during|until|from|year)\s+(?:the\s+year\s+)?[12]\d{3}(?!\w|[.,]\d)"
)
SENTENCE = re.compile(r"(?<=[.!?;])\s+(?=\D|\d+\s)|\n+")
RANGE = re.compile("\\s?[-~\u2014\u301c]\\s?|\\s(?:to|and)\\s")
"""What separates the ends of a range; "and" does only after "between"."""
FURTHER = re.compile(r"\s?[-~/]\s?\d")
"""After the second number it is a date, a telephone number or a list, and no range."""
PADDED = re.compile(r"\D*0\d")
"""The 05 of a date or a code."""
Range = tuple[float, float]
"""The ends of a range, the smaller first; of a number, it twice."""
BRACKETS = re.compile(rf"\s*\((?=[^()]*\d)\s*({CURRENCY}?[\d.,\s]+[^()]*)\)\s*[.%]?\s*")


def parse_number(text: str, *, divides_percent: bool = False) -> float | None:
    """Parse the number of a text, or the middle of a range; see `parse_range`."""
    found = parse_range(text, divides_percent=divides_percent)
    return None if found is None else (found[0] + found[1]) / 2


def parse_range(text: str, *, divides_percent: bool = False) -> Range | None:
    """Parse the number that a text gives as its answer, as in "about 1,250 kcal"; None without one.

    "3-5", "3 to 5" and "between 3 and 5" are a range from 3 to 5, "3-5 million" and "3-5 %" have
    one unit for both ends. A second number that is not larger makes no range ("3 to 1"), and
    "from 3 to 5" is a change, which is read as its first number.

    Read are digits of any script; 1,234.5 and 1 234.5 and 1'234.5 and 1.234,5; 1.5e3 and 1.5x10^3;
    1/2, the sign for it, and 1 1/2; 1.5 million, 12 k, 3M, 2 bn (also lakh and crore); $5 and -$5;
    minus 5; LaTeX's fractions; and "(1,234)" alone, which is negative, as in accounts. Units are
    ignored, and so are percent signs, unless `divides_percent`: then "95 %" and "95 percent" are
    0.95. Two forms are
    ambiguous: "1.234" is read with a decimal point, and "1,234" with a comma between thousands.
    Number words are not read.

    Of several numbers it is, in this order: the first after the last "answer" (or "####", "boxed",
    "result is"), and of a sum there what follows the last "="; the first after the last "=" or
    "so", "thus", "hence", "therefore"; the number that the text begins with; of the last sentence
    that has one, that after "is" or "are", if only one has a number after it, or else the first.
    Numbers of steps and figures, and years as in "in 2019", are skipped
    where there are others.
    """
    plain = fold_number(text)
    if found := BRACKETS.fullmatch(plain):
        inner = find_first(found[1], divides_percent)
        is_negative = inner is not None and inner[0] == inner[1]
        return (-abs(inner[0]), -abs(inner[0])) if inner and is_negative else inner
    unlabelled = LABEL.sub(lambda label: " " * len(label[0]), plain)
    numbers = (choose_number(each, divides_percent) for each in (unlabelled, plain))
    return next((number for number in numbers if number is not None), None)


def fold_number(text: str) -> str:
    """Return a text with one form of digits and signs; scales that are capitals stay capitals."""
    for pattern, sign in LATEX:
        text = pattern.sub(sign, text)
    folded = fold(CAPITALS.sub(lambda found: found[0] + "\ue000", text))
    return MARKED.sub(lambda found: found[0][:-1].upper(), folded)


def choose_number(text: str, divides_percent: bool) -> Range | None:
    """Return the number of a folded text; `parse_number` says which of several."""
    parts = [text[found.end() :] for found in ANSWER.finditer(text)]
    for part in reversed(parts):
        first = SENTENCE.split(ASIDE.sub(" ", part).strip(" :.*"))[0]
        number = find_after_sum(first, divides_percent)
        if number is None:
            number = find_first(part, divides_percent)
        if number is not None:
            return number
    number = find_after_sum(ASIDE.sub(" ", text), divides_percent)
    if number is not None:
        return number
    if found := NUMBER.match(text.strip(" *\"'")):
        number = find_first(text, divides_percent)
        if found and number is not None:
            return number
    sentences = (find_in_sentence(part, divides_percent) for part in reversed(SENTENCE.split(text)))
    return next((number for number in sentences if number is not None), None)


def find_in_sentence(text: str, divides_percent: bool) -> Range | None:
    """Return the number after the only "is" of a sentence that has one, or its first number."""
    numbers = [find_first(part, divides_percent) for part in IS.split(text)[1:]]
    known = [number for number in numbers if number is not None]
    return known[0] if len(known) == 1 else find_first(text, divides_percent)


def find_after_sum(text: str, divides_percent: bool) -> Range | None:
    """Return the first number after the last "=" or "so" that has one after it."""
    parts = [text[found.end() :] for found in SUM.finditer(text)]
    numbers = (find_first(part, divides_percent) for part in reversed(parts))
    return next((number for number in numbers if number is not None), None)


def find_first(text: str, divides_percent: bool) -> Range | None:
    """Return the first finite number of a folded text, or the range that it begins."""
    for found in NUMBER.finditer(text):
        number, end = apply_units(compute_value(found), text, found.end(), divides_percent)
        if math.isfinite(number):
            high = find_second(text, found, number, end, divides_percent)
            return (number, number) if high is None else high
    return None


def find_second(
    text: str, first: re.Match[str], number: float, end: int, divides_percent: bool
) -> Range | None:
    """Return the range whose smaller end is `first`, which is `number` and ends at `end`."""
    before = text[: first.start()].split()[-1:]
    joined = RANGE.match(text, end)
    if not joined or before == ["from"] or (joined[0].strip() == "and") != (before == ["between"]):
        return None
    start = joined.end()
    second = NUMBER.match(text[start:])
    if not second or any(PADDED.match(each[0]) for each in (first, second)):
        return None
    plain_end = start + second.end()
    high, end_of_range = apply_units(compute_value(second), text, plain_end, divides_percent)
    # "3-5 million" has one unit for both, unless that makes the first the larger one: 900 - 1.5k.
    shared, _ = apply_units(compute_value(first), text, plain_end, divides_percent)
    lows = (shared, number) if end == first.end() else (number,)
    is_range = math.isfinite(high) and not FURTHER.match(text, end_of_range)
    return next(((low, high) for low in lows if low < high and is_range), None)


def apply_units(number: float, text: str, end: int, divides_percent: bool) -> tuple[float, int]:
    """Return a number with the scale and percent sign that follow at `end`, and where these end."""
    while scale := SCALE.match(text, end):  # 2 hundred thousand
        number, end = number * SCALES[scale["word"]], scale.end()
    for sign, divisor in ((PERCENT, 100), (PER_MILLE, 1000)):
        if found := sign.match(text, end):
            return number / divisor if divides_percent else number, found.end()
    return number, end


def compute_value(found: re.Match[str]) -> float:
    """Compute the value of a match of NUMBER, which may be infinite."""
    exponent = found["exponent"] or found["ten"] or "0"
    number = float(f"{read_digits(found['digits'])}e{exponent}")
    if found["power"]:
        number = float(f"1e{found['power']}")
    number = float(found["whole"] or 0) + number / float(found["divisor"] or 1)
    is_negative = (found["sign"] or "+") != "+" or found["inner"] == "-"
    return -number if is_negative else number


def read_digits(digits: str) -> str:
    """Return the digits of a match as `float` reads them: without groups, with a decimal point."""
    digits = digits.replace(" ", "").replace("'", "").replace("_", "")
    if "," in digits and "." in digits:
        decimal = max(",.", key=digits.rindex)
        return digits.replace("," if decimal == "." else ".", "").replace(decimal, ".")
    if digits.count(".") > 1:
        return digits.replace(".", "")
    is_grouped = re.fullmatch(r"[1-9]\d{0,2}(?:,\d{2,3})*,\d{3}", digits)
    return digits.replace(",", "" if is_grouped else ".")


def is_in_brackets(text: str) -> bool:
    """Whether a text is a number in brackets, which is negative in accounts."""
    found = parse_range(text)
    return BRACKETS.fullmatch(fold_number(text)) is not None and found is not None and found[1] <= 0


def parse_ranges(answers: tuple[str, ...], *, divides_percent: bool = False) -> list[Range]:
    """Parse the number or range of each answer. Raises ValueError if one has none."""
    found = [parse_range(answer, divides_percent=divides_percent) for answer in answers]
    if None in found:
        raise ValueError(
            f"{answers[found.index(None)]!r} has no number in digits, and the metric compares "
            "numbers: mend the answer, or choose another metric"
        )
    return [each for each in found if each is not None]


def parse_numbers(answers: tuple[str, ...]) -> list[float]:
    """Parse the number of each answer, of a range the middle. Raises ValueError if one has none."""
    return [(low + high) / 2 for low, high in parse_ranges(answers)]


def find_nearest(prediction: str, answers: tuple[str, ...]) -> tuple[float, float]:
    """Return (prediction, answer) as numbers, for the nearest answer; a missing prediction is 0."""
    predicted = parse_number(prediction) or 0.0
    return predicted, min(parse_numbers(answers), key=lambda answer: abs(answer - predicted))
