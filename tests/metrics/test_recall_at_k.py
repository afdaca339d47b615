"""R@k of ranks in both directions."""

import numpy as np
import pytest

from coterie.metrics.recall_at_k import RankPrediction, RecallAtK


def test_the_score_is_the_mean_of_both_directions() -> None:
    ranks = ((1, 1), (1, 3), (6, 11), (2, 1))
    metric = RecallAtK()
    total = sum(metric.statistics(RankPrediction(candidate=c, query=q)) for c, q in ranks)
    assert isinstance(total, np.ndarray)
    # Of four: 2 and 2 at rank 1, 3 and 3 within 5, 4 and 3 within 10.
    assert total.tolist() == [2, 3, 4, 2, 3, 3, 4]
    assert [RecallAtK(k=k).score(total) for k in (1, 5, 10)] == [50, 75, 87.5]
    found = metric.describe(total)
    assert found["query to candidate R@10"] == 100 and found["candidate to query R@10"] == 75
    assert len(found) == 6
    assert (str(metric), str(RecallAtK(k=5))) == ("recall_at_k", "recall_at_k(k=5)")


def test_other_levels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"RecallAtK\(k=3\): give one of \(1, 5, 10\)"):
        RecallAtK(k=3)
