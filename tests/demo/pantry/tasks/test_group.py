"""A thing is in one split, and kinds are about equally frequent."""

from collections import Counter

from coterie_demo.pantry.tasks import group
from tests.demo.pantry.splits import apart


def test_group_has_a_thing_in_one_split():
    parts = group.split_concepts()
    assert apart(parts)
    kinds = {split: {group.AS.get(c.kind, c.kind) for c in part} for split, part in parts.items()}
    assert kinds["train"] == kinds["test"] and len(kinds["train"]) == 17
    counts = Counter(group.AS.get(c.kind, c.kind) for c in parts["test"])
    assert max(counts.values()) <= 2 * min(counts.values())
