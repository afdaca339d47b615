"""Naming trains on every thing, but not on the style that it is tested on."""

from coterie_demo.pantry.catalog import STYLES, UNSEEN_STYLE, read_concepts
from coterie_demo.pantry.tasks import naming
from tests.demo.pantry.splits import SPLITS, apart


def test_naming_trains_on_every_thing_but_not_on_the_style():
    pairs = {split: naming.shuffle_concepts(split) for split in SPLITS}
    assert apart(pairs)
    assert {style for _, style in pairs["test"]} == {UNSEEN_STYLE}
    assert {style for _, style in pairs["train"]} == set(STYLES)
    assert {concept for concept, _ in pairs["train"]} == set(read_concepts())
