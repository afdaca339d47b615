"""How many move: moving things of a clip; the test things and their style are unseen."""

from coterie_demo.pantry.tasks.base import Row
from coterie_demo.pantry.tasks.clips import Clip, ClipTask


class HowManyMove(ClipTask):
    """Count the things that move, 1 to 4, among others that do not."""

    name = "how_many_move"
    description = "a clip of 5 to 8 drawings, of which 1 to 4 move; how many"

    def ask(self, clip: Clip) -> Row:
        return {"question": "How many move?", "answer": str(clip.moving)}
