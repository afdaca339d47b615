"""All counts are equally frequent, and the test's things are its own."""

from collections import Counter
from itertools import islice

from coterie_demo.pantry.catalog import UNSEEN_STYLE
from coterie_demo.pantry.tasks import counting
from tests.demo.pantry.splits import apart


def test_counting_is_balanced_and_its_things_are_apart(larder):
    rows = {
        s: list(islice(counting.Counting().generate_rows(larder, s), 50)) for s in ("train", "test")
    }
    # 25 pictures have all pairs of 1..5 once, so 50 rows have each answer 10 times.
    for found in rows.values():
        assert Counter(row["answer"] for row in found) == dict.fromkeys("12345", 10)
    assert apart({split: [row["concept"] for row in found] for split, found in rows.items()})
    assert {row["style"] for row in rows["test"]} == {UNSEEN_STYLE}
