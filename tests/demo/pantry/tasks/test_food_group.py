"""Groups of the table, at most so many foods of each."""

from collections import Counter

from coterie_demo.pantry.catalog import read_foods
from coterie_demo.pantry.tasks.food_group import GROUPS, NO_FISH, FoodGroup


def test_groups_are_the_table_s(photos):
    assert set(GROUPS) <= {food.group for food in read_foods()}
    rows = [*FoodGroup().generate_rows(photos, "test")]
    counts = Counter(row["answer"] for row in rows)
    assert set(counts) <= set(GROUPS.values()) and max(counts.values()) <= 16
    assert not {row["food"].lower() for row in rows} & set(NO_FISH)
