"""Scores of hand-made statistics, saved and read again."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from coterie.evaluate.scores import Scores, SharedRows, TaskScore
from coterie.metrics.text.exact_match import ExactMatch
from coterie.metrics.text.nutrition_pmae import NutritionPmae
from tests.metrics.cases import text_statistics


def three_of_four() -> TaskScore:
    return TaskScore.from_statistics(
        ExactMatch(), np.array([[1.0, 1.0]] * 3 + [[0.0, 1.0]]), task="a", resamples=200
    )


def test_a_score_its_interval_and_what_it_is_of() -> None:
    found = three_of_four()
    assert found.score == 75 and found.samples == 4 and found.unit == "%"
    # Wilson's interval with t = 3.182 for 4 samples and a variance of .75 .25 / 3 (that of draws
    # is within a tenth of it): t^2 / 3 = 3.375, middle (.75 + 1.688) / 4.375 = .557, half
    # sqrt(3.375 * .1875 + 1.688^2) / 4.375 = .427.
    assert found.low == pytest.approx(13.0, abs=2) and found.high == pytest.approx(98.4, abs=0.5)
    assert found.higher_is_better and found.metric == str(ExactMatch())


def test_scores_are_read_as_they_were_saved(tmp_path: Path) -> None:
    wrong = TaskScore.from_statistics(
        ExactMatch(), np.zeros((1, 2)), task="b", name="exact"
    )  # of nothing: 0 / 0
    scores = Scores(split="test", tasks={"a": three_of_four()}, cost={"total_parameters": 3},
                    num_skipped=2, trained_on={"a": SharedRows(count=1, first="a:2")},
                    validated_on={"b": SharedRows(count=2, first="b:1")})  # fmt: skip
    assert Scores.read(scores.save(tmp_path)) == scores
    other = Scores(split="test", tasks={"b": wrong})
    found = Scores.read(other.save(tmp_path / "b.json"))
    assert math.isnan(found.tasks["b"].score) and found.tasks["b"].metric == "exact"
    assert '"score": null' in (tmp_path / "b.json").read_text()


def test_markdown_has_a_line_a_task() -> None:
    with_bad = Scores(split="test", tasks={"a": three_of_four()}, num_skipped=3).to_markdown()
    assert with_bad.endswith("\n\nbad rows left out: 3, in bad_rows.test.jsonl")
    lines = Scores(split="test", tasks={"a": three_of_four()}).to_markdown().splitlines()
    assert lines[2].startswith("| a | 75.0 |")
    assert lines[3:] == [
        "", "fewer than 30 samples: a has 4; take such scores and intervals as rough"
    ]  # fmt: skip


def test_rows_that_were_trained_on_are_told() -> None:
    rows = {"a": SharedRows(count=2, first="a.jsonl:7")}
    told = Scores(split="test", tasks={"a": three_of_four()}, trained_on=rows).to_markdown()
    assert "a: 2 of 4 rows of 'test' were trained on, the first is a.jsonl:7" in told
    told = Scores(split="test", tasks={"a": three_of_four()}, validated_on=rows).to_markdown()
    assert "a: 2 of 4 rows of 'test' were validated on, the first is a.jsonl:7" in told


def test_short_and_in_a_notebook() -> None:
    scores = Scores(split="test", tasks={"a": three_of_four()}, control="blind")
    assert repr(scores) == "Scores(split='test', control='blind': a 75)"
    assert scores._repr_markdown_() == scores.to_markdown()


def test_details_of_a_metric_are_saved_and_shown(tmp_path: Path) -> None:
    metric = NutritionPmae(nutrient="fat")
    rows = [text_statistics(metric, text, ("fat 4 g",)) for text in ("fat 3 g", "none")]
    scores = Scores(
        split="test", tasks={"a": TaskScore.from_statistics(metric, np.stack(rows), task="a")}
    )
    # Errors 1 and 4 of a mean of 4; the second is counted as 0.
    details = {"mae fat": 2.5, "pmae fat": 62.5, "missing fat, counted as 0": 1.0}
    assert Scores.read(scores.save(tmp_path)).tasks["a"].details == details
    last = scores.to_markdown().splitlines()[-1]
    assert last == "a: mae fat 2.5; pmae fat 62.5; missing fat, counted as 0 1"


def test_errors_have_three_digits() -> None:
    error = replace(three_of_four(), score=0.04567, low=0.04, high=12.3456, unit="m")
    line = Scores(split="test", tasks={"a": error}).to_markdown().splitlines()[2]
    assert line.startswith("| a | 0.0457 | 0.0400 to 12.3 |")


def test_missing_and_damaged_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"scores\.json is not there: run `coterie evaluate"):
        Scores.read(tmp_path)
    (tmp_path / "scores.json").write_text("{")
    with pytest.raises(ValueError, match="is damaged"):
        Scores.read(tmp_path)
    (tmp_path / "scores.json").write_text('{"tasks": {"a": 3}, "split": "test"}')
    with pytest.raises(ValueError, match="holds no scores"):
        Scores.read(tmp_path)
