"""Moves between shares, and counts that follow them, by hand."""

from typing import Any

import numpy as np
import pytest

from coterie import serialization
from coterie.data import ShareAdaptation, TaskSampling
from coterie.data.share_adaptation import count_by_shares


def adapt(shares: list[float], losses: list[float], remaining: float = 1.0, **fields: Any):
    given = (np.array(shares), np.array(losses))
    return ShareAdaptation(**fields).adapt(*given, remaining=remaining).tolist()


def test_the_task_that_lags_takes_from_the_one_ahead() -> None:
    # Losses are at 0.9 and 0.5 of the first ones: the first task takes 0.1 of all samples.
    assert adapt([0.5, 0.5], [0.9, 0.5]) == pytest.approx([0.6, 0.4])
    # Half of the stage is left: 0.05. Of three tasks, the one between keeps its share.
    assert adapt([0.2, 0.3, 0.5], [0.9, 0.7, 0.5], 0.5) == pytest.approx([0.25, 0.3, 0.45])
    # Nothing moves at the end, at equal losses, or where only one task was validated.
    assert adapt([0.5, 0.5], [0.9, 0.5], 0.0) == [0.5, 0.5]
    assert adapt([0.5, 0.5], [1.0, 1.0]) == [0.5, 0.5]
    assert adapt([0.5, 0.5], [0.9, np.nan]) == [0.5, 0.5]
    # The second has no validation rows, and keeps its share.
    assert adapt([0.2, 0.6, 0.2], [0.5, np.nan, 0.9]) == pytest.approx([0.1, 0.6, 0.3])


def test_no_move_passes_a_bound() -> None:
    # 0.08 - 0.05 can be taken, not 0.1.
    assert adapt([0.92, 0.08], [0.9, 0.5], highest=1.0) == pytest.approx([0.95, 0.05])
    assert adapt([0.85, 0.15], [0.9, 0.5]) == pytest.approx([0.9, 0.1])  # 0.9 - 0.85
    # Below the lowest to begin with: nothing can be taken.
    assert adapt([0.98, 0.02], [0.9, 0.5], highest=1.0) == [0.98, 0.02]
    assert adapt([0.98, 0.02], [0.5, 0.9]) == pytest.approx([0.88, 0.12])


@pytest.mark.parametrize(
    "fields", [{"step": 0.0}, {"step": 1.0}, {"lowest": -0.1}, {"lowest": 0.9}, {"highest": 1.1}]
)
def test_bad_bounds_are_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="give a step in"):
        ShareAdaptation(**fields)


def test_what_a_task_is_owed_is_carried_on() -> None:
    # Owed 3/4 and 1/4: first A (-1/4, 1/4), A again at 1/2 and 1/2 (-1/2, 1/2), then B at 1/4 and
    # 3/4 (1/4, -1/4), and A (0, 0).
    assert count_by_shares(np.tile([0.75, 0.25], (4, 1)), 1).argmax(1).tolist() == [0, 0, 1, 0]
    # After two batches A is 1/2 ahead: with shares 1/2 it is level at 0 and B at 1.
    changed = np.array([[0.75, 0.25]] * 2 + [[0.5, 0.5]] * 2)
    assert count_by_shares(changed, 1).argmax(1).tolist() == [0, 0, 1, 0]
    # Batches of 4: three and one of each.
    assert count_by_shares(np.tile([0.75, 0.25], (2, 1)), 4).tolist() == [[3, 1]] * 2


def test_counts_follow_shares_over_time() -> None:
    shares = np.repeat([[0.2, 0.3, 0.5], [0.6, 0.1, 0.3]], 50, axis=0)
    counts = count_by_shares(shares, 1)
    # 50 * 0.2 + 50 * 0.6 = 40; 50 * 0.4 = 20; 50 * 0.8 = 40.
    assert counts.sum(0).tolist() == [40, 20, 40]
    assert abs(counts.cumsum(0) - shares.cumsum(0)).max() < 1
    # The first batches do not depend on later shares.
    assert (count_by_shares(shares[:70], 1) == counts[:70]).all()


def test_batches_of_one_task_follow_the_shares() -> None:
    mix = TaskSampling(one_task_per_batch=True, adaptation=ShareAdaptation())
    shares = np.array([[0.5, 0.5]] * 4 + [[0.75, 0.25]] * 4)
    drawn = mix.sample_batches([5, 5], batch_size=2, steps=8, seed=0, shares=shares)
    tasks = drawn[..., 0]
    assert (tasks == tasks[:, :1]).all()
    # 2 and 2 of the first four batches; 3 and 1 of the others.
    assert [(tasks[:4, 0] == task).sum() for task in (0, 1)] == [2, 2]
    assert [(tasks[4:, 0] == task).sum() for task in (0, 1)] == [3, 1]


def test_it_is_saved_with_the_sampling_and_refused_with_groups() -> None:
    mix = TaskSampling(adaptation=ShareAdaptation(step=0.2))
    assert serialization.loads(serialization.dumps(mix), TaskSampling) == mix
    with pytest.raises(ValueError, match="group_by_modality=True, adaptation"):
        TaskSampling(group_by_modality=True, adaptation=ShareAdaptation())
