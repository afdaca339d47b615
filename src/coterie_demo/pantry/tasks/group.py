"""Group: the category of a drawing; the test concepts are in no training row, in any style."""

from collections import defaultdict
from collections.abc import Iterator
from random import Random
from typing import ClassVar

from coterie_demo.pantry.assets import AssetStore
from coterie_demo.pantry.catalog import STYLES, UNSEEN_STYLE, Concept, get_drawing, read_concepts
from coterie_demo.pantry.sources import EMOJI
from coterie_demo.pantry.tasks.base import PantryTask, Row
from coterie_demo.pantry.tasks.naming import draw_on_white_card

AS = {"bird": "animal"}
LIMIT = {"train": 14, "validation": 3, "test": 6}
"""Things of a kind, at most, so that no kind is much more frequent than another."""


class ConceptGroup(PantryTask):
    """Classify a drawing into a category."""

    name = "group"
    description = "a drawing of a thing; its kind, one of 17"
    sources = EMOJI
    held_out = "things that this task does not train on, in the unseen drawing style (Noto)"
    sizes: ClassVar = {"train": 640, "validation": 60, "test": 120}

    def generate_rows(self, assets: AssetStore, split: str) -> Iterator[Row]:
        for concept, style in shuffle_concepts(split):
            yield {
                "image": assets.store_image(draw_on_white_card(concept, style)),
                "question": "What kind of thing is it?",
                "answer": AS.get(concept.kind, concept.kind),
                "concept": concept.name,
                "style": style,
            }


def shuffle_concepts(split: str) -> list[tuple[Concept, str]]:
    """Things and styles of a split; kinds are about equally frequent."""
    styles = (UNSEEN_STYLE,) if split == "test" else STYLES
    chosen = [
        (concept, style)
        for concept in split_concepts()[split]
        for style in styles
        if get_drawing(concept, style) is not None
    ]
    Random(f"group/{split}").shuffle(chosen)
    return chosen


def split_concepts() -> dict[str, list[Concept]]:
    """Concepts by split; each is in one split only."""
    kinds: dict[str, list[Concept]] = defaultdict(list)
    for concept in read_concepts():
        kinds[AS.get(concept.kind, concept.kind)].append(concept)
    found: dict[str, list[Concept]] = {split: [] for split in LIMIT}
    for kind, members in kinds.items():
        Random(f"group/{kind}").shuffle(members)
        first = max(3, min(LIMIT["test"], len(members) // 3))
        second = first + min(LIMIT["validation"], len(members) // 8)
        found["test"] += members[:first]
        found["validation"] += members[first:second]
        found["train"] += members[second : second + LIMIT["train"]]
    return found
