"""Clips: what moves has a lane of its own, and the splits have other things and another style."""

from collections import Counter
from itertools import islice
from random import Random

import numpy as np
import pytest

from coterie_demo.pantry.catalog import UNSEEN_STYLE
from coterie_demo.pantry.tasks.clips import (
    CELLS,
    DIRECTIONS,
    FRAMES,
    MAX_MOVING,
    STEP,
    choose_cells,
    draw_frames,
    plan_clips,
)
from tests.demo.pantry.splits import SPLITS, apart


def test_the_test_has_things_and_a_style_of_its_own():
    clips = {split: list(islice(plan_clips(split), 64)) for split in SPLITS}
    seen = [concept for split in ("train", "validation") for clip in clips[split]
            for concept in clip.concepts]  # fmt: skip
    unseen = [concept for clip in clips["test"] for concept in clip.concepts]
    assert apart({"seen": seen, "unseen": unseen})
    assert {clip.style for clip in clips["test"]} == {UNSEEN_STYLE}
    assert UNSEEN_STYLE not in {clip.style for clip in clips["train"]}
    # 64 clips are four turns of 16 pairs of direction and number.
    pairs = Counter((clip.direction, clip.moving) for clip in clips["train"])
    assert set(pairs.values()) == {4} and len(pairs) == len(DIRECTIONS) * MAX_MOVING


def test_nothing_that_stays_is_in_the_way():
    for clip in islice(plan_clips("train"), 48):
        starts, still = choose_cells(clip, Random(clip.seed))
        across, down = DIRECTIONS[clip.direction]
        paths = [
            (column + across * step, row + down * step)
            for column, row in starts
            for step in range(3)
        ]
        cells = [*paths, *still]
        assert len(set(cells)) == len(cells) == 3 * clip.moving + 4
        assert all(0 <= place < CELLS for cell in cells for place in cell)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_what_moves_goes_two_cells_that_way(direction):
    clip = next(
        clip for clip in plan_clips("train") if (clip.direction, clip.moving) == (direction, 1)
    )
    frames = [np.asarray(frame).astype(int) for frame in draw_frames(clip)]
    assert len(frames) == FRAMES
    [(column, row)], _ = choose_cells(clip, Random(clip.seed))
    across, down = DIRECTIONS[direction]

    def cut(frame: np.ndarray, column: int, row: int) -> np.ndarray:
        return frame[row * STEP : (row + 1) * STEP, column * STEP : (column + 1) * STEP]

    first, last = cut(frames[0], column, row), cut(frames[-1], column + 2 * across, row + 2 * down)
    assert np.array_equal(first, last)  # the same drawing, two cells further
    assert len(np.unique(cut(frames[-1], column, row))) <= 3  # the background's three values
