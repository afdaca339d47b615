"""Parsing of a dish's nutrients in answers, and the errors of predicted amounts."""

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float64

from coterie.metrics.base import Statistics, TextPrediction, compute_ratio

NUTRIENTS = ("mass", "calories", "fat", "carbohydrate", "protein")
"""In the order of a Nutrition5k paper's table; grams, and kilocalories for "calories"."""
MEAN = "mean"
"""In place of a nutrient: the mean over all of them."""
ENERGY = {"kcal": 1.0, "cal": 1.0, "cals": 1.0, "kj": 1 / 4.184}
GRAMS = {
    "g": 1.0, "gram": 1.0, "grams": 1.0, "kg": 1000.0, "mg": 0.001, "oz": 28.349523125,
    "lb": 453.59237, "lbs": 453.59237,
}  # fmt: skip
LARGEST = 1e6
"""A larger amount, of more than a tonne, is no estimate of a dish and counts as missing."""
TOKEN = re.compile(
    r"(?<![\w.,])(?P<number>(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:e[-+]?\d{1,3})?)"
    rf"(?:[ \t]*(?P<unit>{'|'.join({**ENERGY, **GRAMS})})\b)?"
    r"|(?<![^\W_])(?:(?P<mass>mass|weigh(?:t|s|ing))"
    r"|(?P<calories>k?cals?|calories?|caloric|energy)"
    r"|(?<!saturated )(?<!trans )(?P<fat>fats?)"
    r"|(?P<carbohydrate>carb(?:s|o|ohydrates?)?)"
    r"|(?P<protein>proteins?))(?![^\W_])",
    re.IGNORECASE,
)
IN_CAMEL_CASE = re.compile(r"(?<=[a-z]{2})(?=[A-Z])")  # kJ is one word
NEXT_TO = re.compile(r"[ \t]*(?:of[ \t]+|in[ \t]+)?(?:total[ \t]+)?")


def parse_nutrition(text: str) -> dict[str, float]:
    """Parse the amounts of NUTRIENTS that a text gives, in grams and kilocalories.

    An amount stands after the nutrient's name ("fat: 10 g", also in JSON) or right before it ("10 g
    of fat"); kcal says that it is energy. Of several amounts of a nutrient the last counts, since
    totals come last. Units are converted; the sign is ignored, as a dash is; an amount above
    LARGEST is not read. If no nutrient is named, the numbers are those of NUTRIENTS, in order.
    """
    plain = IN_CAMEL_CASE.sub(" ", unicodedata.normalize("NFKC", text)).replace("_", " ")
    tokens = list(TOKEN.finditer(plain))
    numbers = [token for token in tokens if token["number"]]
    if len(numbers) == len(tokens) and not any(map(is_energy, numbers)):
        values = [value for token in numbers if (value := read_amount(token)) is not None]
        return dict(zip(NUTRIENTS, values, strict=False))
    energies = [value for token in numbers if is_energy(token)
                if (value := read_amount(token)) is not None]  # fmt: skip
    found = {"calories": energies[-1]} if energies else {}
    return found | pair_names(plain, tokens)


def pair_names(text: str, tokens: Sequence[re.Match[str]]) -> dict[str, float]:
    """Pair each nutrient's name with the number right before it, or else the one after it."""
    found: dict[str, float] = {}
    taken: set[int] = set()
    for index, token in enumerate(tokens):
        if token["number"]:
            continue
        name = str(token.lastgroup)
        for place in (index - 1, index + 1):
            if not is_amount_of(name, text, tokens, index, place) or place in taken:
                continue
            if (value := read_amount(tokens[place])) is not None:
                found[name] = value
                taken.add(place)
                break
    return found


def is_amount_of(
    name: str, text: str, tokens: Sequence[re.Match[str]], index: int, place: int
) -> bool:
    """Whether the token at `place` can be the amount of the nutrient named at `index`."""
    if not 0 <= place < len(tokens) or not tokens[place]["number"]:
        return False
    if is_energy(tokens[place]) and name != "calories":
        return False
    between = text[tokens[place].end() : tokens[index].start()]
    return place > index or NEXT_TO.fullmatch(between) is not None


def is_energy(number: re.Match[str]) -> bool:
    """Whether a number has a unit of energy."""
    return (number["unit"] or "").lower() in ENERGY


def read_amount(number: re.Match[str]) -> float | None:
    """Return a number in grams or kilocalories; None if it is not finite or above LARGEST."""
    value = float(number["number"].replace(",", ""))
    value *= {**ENERGY, **GRAMS}.get((number["unit"] or "").lower(), 1.0)
    return value if math.isfinite(value) and value <= LARGEST else None


def format_nutrition(amounts: Mapping[str, float]) -> str:
    """Format amounts as an answer: "mass 200 g, calories 310 kcal, fat 12.5 g"."""
    units = dict.fromkeys(NUTRIENTS, "g") | {"calories": "kcal"}
    return ", ".join(
        f"{name} {round(amounts[name], 1):g} {units[name]}" for name in NUTRIENTS if name in amounts
    )


def check_nutrition(nutrient: str, answers: tuple[str, ...]) -> None:
    """Raise ValueError unless there is one answer, and it gives the nutrient, or one for MEAN."""
    given, *others = answers
    if others:
        raise ValueError(f"there are {len(answers)} answers: nutrients need one, with all amounts")
    known = parse_nutrition(given)
    if not known or nutrient not in (MEAN, *known):
        wanted = " or ".join(NUTRIENTS) if nutrient == MEAN else nutrient
        raise ValueError(
            f"{given!r} has no amount of {wanted}: write the answer as "
            f"{format_nutrition(dict.fromkeys(NUTRIENTS, 10.0))!r}"
        )


def check_nutrient(metric: str, nutrient: str) -> None:
    """Raise ValueError unless `nutrient` is MEAN or one of NUTRIENTS."""
    if nutrient not in (MEAN, *NUTRIENTS):
        raise ValueError(f"{metric}(nutrient={nutrient!r}): give {', '.join((MEAN, *NUTRIENTS))}")


def compute_errors(prediction: TextPrediction, answers: tuple[str, ...]) -> Statistics:
    """Compute for each nutrient of the first answer: |error|, truth, 1, and whether it is missing.

    A prediction without the nutrient counts as 0. All four are 0 where the answer has none.
    """
    predicted, given = parse_nutrition(prediction.text), parse_nutrition(answers[0])
    rows = np.zeros((len(NUTRIENTS), 4))
    for row, name in zip(rows, NUTRIENTS, strict=True):
        if name in given:
            error = abs(predicted.get(name, 0.0) - given[name])
            row[:] = error, given[name], 1.0, float(name not in predicted)
    return rows.ravel()


def compute_nutrition_score(nutrient: str, total: Statistics, *, relative: bool) -> float:
    """Compute MAE, or if `relative` pMAE, of a nutrient, or the mean over those with a truth."""
    rows = select_nutrients(nutrient, total)
    scores = [
        100 * compute_ratio(row[0], row[1]) if relative else compute_ratio(row[0], row[2])
        for row in rows if row[2]
    ]  # fmt: skip
    return float(np.mean(scores)) if scores else math.nan


def select_nutrients(nutrient: str, total: Statistics) -> Float64[np.ndarray, "..."]:
    """Return the four sums of `compute_errors` of a nutrient, or of each; a row a nutrient."""
    rows = total.reshape(len(NUTRIENTS), 4)
    return rows if nutrient == MEAN else rows[[NUTRIENTS.index(nutrient)]]


def describe_nutrition(total: Statistics) -> dict[str, float]:
    """Return MAE and pMAE of each nutrient with a truth, and how many amounts were missing."""
    rows = dict(zip(NUTRIENTS, total.reshape(len(NUTRIENTS), 4), strict=True))
    known = {name: row for name, row in rows.items() if row[2]}
    maes = {f"mae {name}": compute_ratio(row[0], row[2]) for name, row in known.items()}
    relative = {f"pmae {name}": 100 * compute_ratio(row[0], row[1]) for name, row in known.items()}
    missing = {f"missing {name}, counted as 0": float(row[3]) for name, row in known.items()}
    return maes | relative | missing
