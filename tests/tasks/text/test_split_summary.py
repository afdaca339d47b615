"""Scores that need no model, and the rows of a split."""

from pathlib import Path

from coterie.metrics.text.exact_match import ExactMatch
from coterie.metrics.text.mean_absolute_error import MeanAbsoluteError
from coterie.tasks import TextTask, TextTasks
from coterie.tasks.text.split_summary import score_baselines, summarize_rows
from tests.data.files import jsonl


def test_the_best_constant_answer():
    answers = [("a",)] * 3 + [("b",), ("c", "a")]
    found = score_baselines(ExactMatch(), answers)
    # "a" is right for the first three and the last: 4 of 5.
    assert found["always 'a'"].startswith("80.0 % exact")
    assert score_baselines(ExactMatch(), []) == {}


def test_chance_gives_no_sample_its_own_answer():
    # All answers differ, so another sample's is never right, whatever the order.
    for count in (2, 3, 10):
        found = score_baselines(ExactMatch(), [(f"answer {i}",) for i in range(count)])
        assert found["chance"].startswith("0.0 % exact"), count
    # Three of "a" and one of "b", in a circle: two of the "a" are followed by an "a".
    found = score_baselines(ExactMatch(), [("a",), ("b",), ("a",), ("a",)])
    assert found["chance"].startswith("50.0 % exact")
    # One row is right by its own answer only, which says nothing of chance or constants.
    assert score_baselines(ExactMatch(), [("a",)]) == {"chance": "one row cannot show it"}


def test_the_median_of_numbers():
    answers = [("0",), ("0",), ("10",), ("20",), ("20",)]
    # From 10: (10 + 10 + 0 + 10 + 10) / 5 = 8; from 0: (0 + 0 + 10 + 20 + 20) / 5 = 10.
    found = score_baselines(MeanAbsoluteError(), answers)
    assert next(each for name, each in found.items() if "always" in name).startswith("8.0")


def test_rows_that_are_bad_or_too_few(tmp_path: Path):
    good = [{"question": f"q{i}", "answer": i} for i in range(3)]
    file = jsonl(tmp_path / "r.jsonl", [*good, {"question": "q"}])
    found = summarize_rows(TextTask(name="t", rows={"train": str(file)}), "train", None)
    assert found.num_samples == 3 and [row.source for row in found.bad_rows] == ["r.jsonl:4"]
    few = jsonl(tmp_path / "few.jsonl", good[:1])
    found = summarize_rows(TextTask(name="t", rows={"all": str(few)}), "test", None)
    assert found.problem.startswith("task 't', few.jsonl: 1 different rows cannot be shared out")


def test_splits_that_are_not_there(tmp_path: Path):
    rows = [{"question": f"q{i}", "answer": i} for i in range(3)]
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        jsonl(tmp_path / split / f"{split}.jsonl", rows)
    own = TextTask(name="t", rows={"all": str(tmp_path)})
    train, validation, test = TextTasks(tasks=(own,)).summarize()
    assert train.is_good and validation.is_good and test.is_good  # nothing needs validation
    assert "no split 'validation': it has test, train" in validation.notices[0]
    scored = TextTask(name="t", rows={"test": str(tmp_path / "test" / "test.jsonl")})
    train, test = TextTasks(tasks=(scored,)).summarize()
    assert train.problem == "task 't' has no split 'train': it has test" and test.is_good
