"""What scores and tables call a metric."""

from coterie.metrics.dense.base import DenseMetric
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
