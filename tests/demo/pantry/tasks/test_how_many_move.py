"""The answer is how many things move in the clip."""

from itertools import islice

from coterie_demo.pantry.tasks.clips import plan_clips
from coterie_demo.pantry.tasks.how_many_move import HowManyMove


def test_the_answer_is_of_the_clip():
    for clip in islice(plan_clips("validation"), 16):
        assert HowManyMove().ask(clip)["answer"] == str(clip.moving)
