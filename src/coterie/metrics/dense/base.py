"""The interface of metrics of maps: a head's output per pixel, or per image."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from jaxtyping import Shaped
from torch import Tensor

from coterie.metrics.base import Metric, Statistics
from coterie.metrics.prediction import MapPrediction
from coterie.serialization import get_init_fields


class DenseMetric(Metric):
    """A metric that compares a map with a label. Kinds are frozen keyword-only dataclasses."""

    prediction_type = MapPrediction

    @abstractmethod
    def statistics(self, prediction: MapPrediction, label: Shaped[Tensor, "*label"]) -> Statistics:
        """Compute the statistics of one image: finite, of fixed length, additive over images.

        Unlabelled pixels are ignored.
        """

    def list_settings(self) -> Mapping[str, Any]:
        """Return the fields that are not defaults, since `str` is the name in tables."""
        defaults = {field.name: field.default for field in get_init_fields(type(self))}
        return {
            name: value
            for name, value in super().list_settings().items()
            if isinstance(value, str | int | float) and value != defaults[name]
        }
