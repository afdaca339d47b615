"""Parsing of ingredient names in answers, and the overlap of two lists of them."""

import json
import re
from typing import Any

import numpy as np

from coterie.metrics.base import Statistics, TextPrediction
from coterie.metrics.text.normalization import compose

LEAD_IN = re.compile(
    r"\bingredients?\b[^:,;\n]{0,40}?(?::|\b(?:are|is|include)\b)",
    re.IGNORECASE,
)
SEPARATOR = re.compile("[,;\n\r\u2022\u3001\uff0c\uff1b]")
MARKS = re.compile(r"(?:[-*+#>]+|\d{1,3}[.)](?=\s))?\s*(?:(?:and|&)\s+)?")
"""The mark of a list's item and a conjunction, at the start of a name."""
OPENING = re.compile(r"[\[{]")
SURROUNDING = " \t\"'`*_.:()[]{}\u2018\u2019\u201c\u201d\u3002"


def parse_ingredients(text: str) -> frozenset[str]:
    """Parse the set of ingredient names: in lower case, stripped, without duplicates.

    Read are a JSON list of names, alone or under "ingredients" of an object, whatever follows it;
    else the parts between commas, semicolons and new lines, without a lead-in such as "The
    ingredients are", numbers and marks of a list, and an "and" before a name. Amounts stay: ask
    for names alone. A text without a name has none, which is no error.
    """
    names = read_json_names(text)
    if names is None:
        found = LEAD_IN.search(text)
        names = SEPARATOR.split(text[found.end() :] if found else text)
    return frozenset(name for name in map(normalize_name, names) if name)


def normalize_name(name: str) -> str:
    """Normalize one name for comparison: Uni-Food compares in lower case and without spaces."""
    plain = " ".join(compose(name).lower().split())
    marks = MARKS.match(plain)
    return plain[marks.end() if marks else 0 :].strip(SURROUNDING)


def read_json_names(text: str) -> list[str] | None:
    """Read the names of the first JSON list or object in a text; None if there is none."""
    found = OPENING.search(text)
    if not found:
        return None
    try:
        data, _ = json.JSONDecoder().raw_decode(text, found.start())
    except (ValueError, RecursionError):
        return None
    return list_names(data)


def list_names(data: Any) -> list[str] | None:
    """List the names that JSON data has: of a list its items, of an object its "ingredients"."""
    match data:
        case {"ingredients": list(items)} | list(items):
            named = [item.get("name", "") if isinstance(item, dict) else item for item in items]
            return [item for item in named if isinstance(item, str)]
    return None


def compute_overlap(prediction: TextPrediction, answers: tuple[str, ...]) -> Statistics:
    """Compute IoU, F1, 1, and whether the prediction has no name, for the answer with the best F1.

    IoU = |P and G| / |P or G|, F1 = 2 |P and G| / (|P| + |G|); both are 1 if both sets are empty.
    """
    predicted = parse_ingredients(prediction.text)
    given = [parse_ingredients(answer) for answer in answers]
    iou, f1 = max(
        ((compute_iou(predicted, each), compute_f1(predicted, each)) for each in given),
        key=lambda pair: pair[1],
    )
    return np.array([iou, f1, 1.0, float(not predicted)])


def compute_iou(predicted: frozenset[str], given: frozenset[str]) -> float:
    """Compute the intersection over union of two sets, 0 to 1; 1 if both are empty."""
    union = len(predicted | given)
    return len(predicted & given) / union if union else 1.0


def compute_f1(predicted: frozenset[str], given: frozenset[str]) -> float:
    """Compute the F1 of two sets, 0 to 1; 1 if both are empty."""
    total = len(predicted) + len(given)
    return 2 * len(predicted & given) / total if total else 1.0
