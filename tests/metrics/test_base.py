"""What scores and tables call a metric; predictions to JSON and back, and what is refused."""

import pytest
import torch

from coterie.metrics.base import ChoicePrediction, DenseMetric, MapPrediction, TextPrediction
from coterie.metrics.dense.depth_error import DepthError
from coterie.metrics.dense.labels import DepthScale
from coterie.metrics.dense.max_f import MaxF
from coterie.metrics.dense.mean_iou import MeanIoU
from coterie.metrics.dense.ods_f import OdsF


def test_names_tell_what_was_chosen() -> None:
    scale = DepthScale(units_per_metre=512.0, log_range=2.0**16)
    metrics: dict[str, DenseMetric] = {
        "mean_iou(classes=21)": MeanIoU(classes=21),
        "mean_iou(classes=7, ignore_index=-1)": MeanIoU(classes=7, ignore_index=-1),
        "ods_f": OdsF(),
        "ods_f(thresholds=9, thin=False)": OdsF(thresholds=9, thin=False),
        # How depths are written changes no score.
        "depth_error(report='abs_rel')": DepthError(scale=scale, report="abs_rel"),
        "max_f": MaxF(),
    }
    assert [str(metric) for metric in metrics.values()] == list(metrics)


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
