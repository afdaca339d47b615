"""The answer is which way things move in the clip."""

from itertools import islice

from coterie_demo.pantry.tasks.clips import plan_clips
from coterie_demo.pantry.tasks.direction import Direction


def test_the_answer_is_of_the_clip():
    for clip in islice(plan_clips("validation"), 16):
        assert Direction().ask(clip)["answer"] == clip.direction
