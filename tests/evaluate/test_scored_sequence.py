"""Means over tasks with their variance, and what must be alike between steps."""

from pathlib import Path

import numpy as np
import pytest

from coterie.evaluate.intervals import BootstrapSamples
from coterie.evaluate.scored_sequence import bootstrap_sequences, estimate_mean
from coterie.evaluate.sequence import load_sequence
from tests.evaluate.runs import scored
from tests.evaluate.test_measure_forgetting import FORGETS, answers, sequence


def samples(values: list[list[float]]) -> BootstrapSamples:
    """Scores of seeds by task, without noise of samples, on 10 samples of a scale of 0 to 100."""
    found = np.array(values, np.float64)
    draws = np.repeat(found[:, None], 20, axis=1)
    limits = ((0.0, 100.0),) * found.shape[1]
    return BootstrapSamples(values=found, draws=draws, samples=(10, 10), limits=limits)


def test_the_mean_is_over_the_kept_tasks_of_both() -> None:
    one, other = samples([[10, 30], [20, np.nan]]), samples([[5, 5], [5, 5]])
    kept = np.array([True, False])
    assert estimate_mean([one], kept).value == 15
    assert estimate_mean([one, other], kept).value == 10
    both = samples([[10, 30], [20, 40]])
    found = estimate_mean([both, other], np.array([True, True]))
    assert found.value == 20 and found.interval.low < 20 < found.interval.high
    # A score has the ends of its scale, a difference of two twice that.
    wide = samples([[0, 0], [100, 100]])
    assert estimate_mean([wide], np.array([True, True])).interval[1:] == (0, 100)
    assert estimate_mean([wide, other], np.array([True, True])).interval.high == 100


def test_the_matrix_has_no_number_where_there_is_no_score(tmp_path: Path) -> None:
    runs = [
        scored(tmp_path / "1", answers({"a": 4})), scored(tmp_path / "2", answers({"a": 2, "b": 1}))
    ]  # fmt: skip
    (found,) = bootstrap_sequences([load_sequence("x", runs)], resamples=10, seed=0)
    wanted = [[[100, np.nan], [50, 25]]]
    assert np.array_equal(found.values, wanted, equal_nan=True)
    assert found.draws.shape == (1, 10, 2, 2) and np.isnan(found.untrained).all()
    assert list(found.score_tasks(found.select_step(0))) == ["a"]


def test_steps_score_the_same_samples(tmp_path: Path) -> None:
    first, second = sequence(tmp_path / "0", FORGETS)
    shorter = {"a": [True], "b": [True]}
    scored(second.folder, shorter, recipe=second.config.recipe)
    with pytest.raises(ValueError, match=r"'x', step 2 and 'x' scored different samples of 'a'"):
        bootstrap_sequences([load_sequence("x", [first, second])], resamples=5, seed=0)
