"""Weights that are searched: the grid, the choice, and losses of real compositions."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import coterie
from coterie.compose.search import Candidate, choose_best, list_grid
from coterie.tasks import TextTasks
from tests.compose import runs


def test_the_grid_has_all_weights_that_sum_to_1() -> None:
    two = list_grid(2)
    assert len(two) == 11 and two[0] == (0, 1) and two[3] == (0.3, 0.7) and two[-1] == (1, 0)
    assert len(list_grid(3)) == 21 and len(list_grid(4)) == 35  # 7 over 2, 7 over 3
    assert all(sum(each) == pytest.approx(1) for each in (*list_grid(3), *list_grid(4)))
    with pytest.raises(ValueError, match="weights='search' is for 2 to 4 runs, and 5 are"):
        list_grid(5)


def test_the_least_mean_of_the_losses_is_chosen() -> None:
    first = Candidate(weights=(1, 0), losses={"a": 1.0, "b": 0.004})
    second = Candidate(weights=(0, 1), losses={"a": 2.0, "b": 0.0002})
    assert (first.mean_loss, second.mean_loss) == pytest.approx((0.502, 1.0001))
    assert choose_best([first, second]) is first


def test_the_search_is_saved_with_its_curve(tmp_path: Path) -> None:
    parents = [runs.equal(name) for name in ("pictures", "speech")]
    tasks = TextTasks(
        tasks=tuple(
            replace(each, rows={**each.rows, "validation": each.rows["test"]})
            for each in runs.select("pictures", "speech").tasks
        )
    )
    run = coterie.compose(
        parents, out=tmp_path / "run", weights="search", tasks=tasks, device="cpu"
    )
    record = json.loads(run.directory.composition_file.read_text())
    points = record["search"]
    assert [point["weights"] for point in points] == [list(each) for each in list_grid(2)]
    assert all(point["losses"].keys() == {"colour", "pitch"} for point in points)
    best = min(points, key=lambda point: point["mean_loss"])
    assert [each["weight"] for each in record["runs"]] == best["weights"]
    # Losses with weights (1, 0) are those of a composition with them.
    assert len({point["losses"]["colour"] for point in points}) > 1
