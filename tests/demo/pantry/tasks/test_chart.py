"""The answers are those of the foods that are shown."""

from itertools import islice

from coterie_demo.pantry.catalog import get_foods
from coterie_demo.pantry.tasks.chart import BARS, Chart


def test_chart_asks_three_things_of_what_is_shown(larder):
    for row in islice(Chart().generate_rows(larder, "test"), 2 * BARS):
        values = {
            colour: food.nutrients[row["nutrient"]]
            for colour, name in row["foods"].items()
            for food in get_foods("test")
            if food.name == name
        }
        if "highest" in row["question"]:
            assert values[row["answer"]] == max(values.values())
        elif "lowest" in row["question"]:
            assert values[row["answer"]] == min(values.values())
        else:
            colour = row["question"].removeprefix("How high is ").split(",")[0]
            assert abs(values[colour] - int(row["answer"])) <= 5
