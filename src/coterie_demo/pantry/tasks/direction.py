"""Direction: which way things move in a clip; the test things and their style are unseen."""

from coterie_demo.pantry.tasks.base import Row
from coterie_demo.pantry.tasks.clips import Clip, ClipTask


class Direction(ClipTask):
    """Say whether things move right, left, up or down."""

    name = "direction"
    description = "a clip in which 1 to 4 things move the same way; which way, of four"

    def ask(self, clip: Clip) -> Row:
        return {"question": "Which way do they move?", "answer": clip.direction}
