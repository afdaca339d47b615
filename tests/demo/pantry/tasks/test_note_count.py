"""Notes are counted on instruments that training does not have."""

from itertools import islice

from coterie_demo.pantry.tasks.note_count import UNSEEN, NoteCount
from tests.demo.pantry.splits import apart


def test_other_instruments_in_the_test(fonts):
    rows = {s: list(islice(NoteCount().generate_rows(fonts, s), 10)) for s in ("train", "test")}
    assert [row["answer"] for row in rows["test"]] == [*"12345"] * 2
    assert {row["instrument"] for row in rows["test"]} <= set(UNSEEN)
    assert apart({split: {row["instrument"] for row in found} for split, found in rows.items()})
