"""Drawings, fonts and foods: what no task trains on is apart from the rest."""

from coterie_demo.pantry.catalog import (
    FONTS,
    STYLES,
    UNSEEN_FONTS,
    UNSEEN_STYLE,
    get_drawing,
    get_foods,
    read_concepts,
    read_foods,
)
from tests.demo.pantry.splits import SPLITS, apart


def test_the_unseen_are_no_others():
    assert UNSEEN_STYLE not in STYLES
    assert not set(UNSEEN_FONTS) & set(FONTS)


def test_every_thing_is_drawn_in_the_unseen_style_and_twice_in_training():
    assert len(read_concepts()) >= 350
    assert len({concept.name for concept in read_concepts()}) == len(read_concepts())
    for concept in read_concepts():
        styles = [s for s in (*STYLES, UNSEEN_STYLE) if get_drawing(concept, s) is not None]
        assert {"fluent-3d", "fluent-flat", UNSEEN_STYLE} <= set(styles), concept


def test_foods_of_a_family_are_in_one_split():
    assert apart({split: [food.family for food in get_foods(split)] for split in SPLITS})
    assert sum(len(get_foods(split)) for split in SPLITS) == len(read_foods()) == 542
    brinjals = {food.family for food in read_foods() if food.name.startswith("Brinjal")}
    assert brinjals == {"brinjal"}
