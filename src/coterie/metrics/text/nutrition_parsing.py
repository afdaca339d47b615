"""Parsing and formatting of a dish's nutrients in answers."""

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence

NUTRIENTS = ("mass", "calories", "fat", "carbohydrate", "protein")
"""In the order of a Nutrition5k paper's table; grams, and kilocalories for "calories"."""
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
