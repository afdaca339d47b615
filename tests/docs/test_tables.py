"""The tables of README and docs are those of the committed results."""

from pathlib import Path

import pytest

from tests.docs.tables import TABLES, name_of, parts, shown


@pytest.mark.parametrize(
    ("document", "name"), TABLES, ids=lambda value: getattr(value, "name", value)
)
def test_tables_are_those_of_their_results(document: Path, name: str) -> None:
    made = TABLES[document, name]()
    assert parts(document, name)[1] == made, "run: python -m tests.docs.tables"


def test_a_cell_has_value_and_interval() -> None:
    cell = {"value": -59.2857, "low": -70.35, "high": -43.19}
    assert shown(cell, 0) == "-59 [-70, -43]"
    assert shown({"value": 0.13949, "low": 0.1346, "high": 0.1442}) == "0.139 [0.135, 0.144]"
    assert shown({"value": None, "low": None, "high": None}) == "-"


def test_a_renamed_recipe_has_its_new_name() -> None:
    assert name_of({"system": "mole, blind"}) == "soft_lora, blind"
    assert name_of({"system": "moelora"}) == "moelora"
