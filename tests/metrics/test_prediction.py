"""Predictions to JSON and back, and what is refused."""

import pytest
import torch

from coterie.metrics.prediction import ChoicePrediction, MapPrediction, TextPrediction


@pytest.mark.parametrize(
    "prediction", [TextPrediction(text=""), ChoicePrediction(scores={"a": -1.5, "b": 0.0})]
)
def test_answers_are_dumped_and_loaded(prediction) -> None:
    assert type(prediction).load(prediction.dump()) == prediction


def test_text_is_itself_in_a_file() -> None:
    assert TextPrediction(text="two cats").dump() == "two cats"


def test_the_best_choice_has_the_highest_score() -> None:
    assert ChoicePrediction(scores={"a": -2.0, "b": -1.0, "c": -1.0}).best == "b"


def test_choices_without_scores_are_refused() -> None:
    with pytest.raises(ValueError, match=r"give a score for at least one answer"):
        ChoicePrediction(scores={})


def test_a_map_has_a_shape() -> None:
    assert MapPrediction(values=torch.zeros(3, 2, 2)).values.shape == (3, 2, 2)
