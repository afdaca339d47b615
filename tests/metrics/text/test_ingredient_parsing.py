"""Ingredient names in the forms in which models and data sets write them."""

import pytest

from coterie.metrics.text.ingredient_parsing import compute_f1, compute_iou, parse_ingredients


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Salt, egg, salt", {"salt", "egg"}),
        ("The ingredients are: Salt, egg and milk, and flour.", {"salt", "egg and milk", "flour"}),
        ("The ingredients are salt, egg.", {"salt", "egg"}),  # FoodLMM's form
        ("The ingredient is rice.", {"rice"}),
        ("Main ingredients visible in this dish include salt; red  pepper", {"salt", "red pepper"}),
        ("Ingredients:\n1. salt\n2) Egg\n- 3 cups flour\n", {"salt", "egg", "3 cups flour"}),
        ('["Salt", "egg"] as far as I can see, and more', {"salt", "egg"}),
        ('Sure: {"ingredients": [{"name": "salt", "g": 1}, "egg", NaN]} Enjoy', {"salt", "egg"}),
        ('{"ingredients": ', set()),  # cut off before the first name
        ("\u76d0\u3001\u9e21\u86cb\uff0c\u725b\u5976", {"\u76d0", "\u9e21\u86cb", "\u725b\u5976"}),
        ("", set()),
        (" ,; .\n", set()),
        ("[" * 100_000, set()),
    ],
)
def test_names(text: str, names: set[str]) -> None:
    assert parse_ingredients(text) == names


def test_overlap_by_hand() -> None:
    predicted, given = frozenset({"salt", "egg"}), frozenset({"egg", "milk", "flour"})
    # Common: egg. All: salt, egg, milk, flour. 2 * 1 / (2 + 3).
    assert compute_iou(predicted, given) == 1 / 4
    assert compute_f1(predicted, given) == 2 / 5
    assert compute_iou(frozenset(), frozenset()) == compute_f1(frozenset(), frozenset()) == 1
    assert compute_iou(predicted, frozenset()) == compute_f1(predicted, frozenset()) == 0
