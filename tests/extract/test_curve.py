"""Points of a curve, with a score that is made up."""

import pytest

from coterie.extract.pruning_curve import compute_pruning_curve
from coterie.models.pruned_vision.modeling import PrunedVisionModel
from coterie.routing.usage import select_task
from coterie.tasks.dense.expert_usage import measure_usage_by_task
from tests.extract.dense import grafted
from tests.tasks.dense.tiny import pictures


def test_fewer_experts_as_the_threshold_rises() -> None:
    whole = grafted()
    use = select_task(measure_usage_by_task(whole, [pictures()]), "depth")
    scored: list[PrunedVisionModel] = []

    def score(small: PrunedVisionModel) -> float:
        scored.append(small)
        return len(scored) / 8

    found = list(
        compute_pruning_curve(
            whole, task="depth", use=use, score=score, thresholds=(0.0, 0.2, 5.0, 9.0)
        )
    )
    assert [point.threshold for point in found] == [0.0, 0.2, 5.0, 9.0]
    # The last two keep the two most chosen in each of four layers, and are scored once.
    assert [point.experts for point in found[2:]] == [8, 8] and len(scored) == 3
    assert [point.score for point in found] == [0.125, 0.25, 0.375, 0.375]
    assert found[0].experts > found[1].experts > 8
    # An MLP expert: 32 * 32 + 32 in, 32 * 32 + 32 out. A query expert: 8 * 32 in, 32 * 8 out.
    kept = [small.num_parameters() for small in scored]
    sizes = [point.parameters.total for point in found]
    assert sizes == [*kept, kept[-1]]
    assert (sizes[0] - sizes[2]) % 32 == 0
    assert sizes[0] > sizes[1] > sizes[2]


def test_bad_tasks_are_named() -> None:
    with pytest.raises(ValueError, match="task='dept'"):
        next(compute_pruning_curve(grafted(), task="dept", use={}, score=lambda small: 0.0))
