"""Energy in kcal, to tens, and a photo of the food."""

from coterie_demo.pantry.catalog import get_foods
from coterie_demo.pantry.tasks.energy import Energy


def test_answers_are_the_table_s_to_tens(photos):
    rows = [*Energy().generate_rows(photos, "validation")]
    assert len(rows) == len(get_foods("validation"))
    for row in rows:
        # To tens is off by 5 at most; below 5 kcal the answer is 10.
        assert int(row["answer"]) % 10 == 0
        assert abs(int(row["answer"]) - row["value"]) <= (5 if row["value"] >= 5 else 10)
        assert (photos.folder / "energy" / row["image"]).resolve().is_file()
