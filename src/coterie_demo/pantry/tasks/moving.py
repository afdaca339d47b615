"""Moving: which of the three things of a clip moves; the test things and their style are unseen."""

from random import Random

from coterie_demo.pantry.tasks.base import Row
from coterie_demo.pantry.tasks.clips import Clip, ClipTask


class Moving(ClipTask):
    """Name what moves, among the things that are seen."""

    name = "moving"
    description = "a clip of three things, one of which moves; which"

    def ask(self, clip: Clip) -> Row:
        names = [concept.name for concept in clip.concepts]
        Random(f"moving/{clip.seed}").shuffle(names)
        return {
            "question": f"Which moves: {names[0]}, {names[1]} or {names[2]}?",
            "answer": clip.concepts[0].name,
            "choices": names,
        }
