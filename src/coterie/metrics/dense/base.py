"""The interface of metrics of maps: a head's output per pixel, or per image."""

from abc import abstractmethod
from typing import ClassVar

import numpy as np
from jaxtyping import Float64, Shaped
from torch import Tensor

from coterie.metrics.base import Metric
from coterie.metrics.prediction import MapPrediction
from coterie.serialization import get_init_fields


class DenseMetric(Metric):
    """A metric that compares a map with a label. Kinds are frozen keyword-only dataclasses."""

    prediction_type: ClassVar[type[MapPrediction]] = MapPrediction

    @abstractmethod
    def statistics(
        self, prediction: MapPrediction, label: Shaped[Tensor, "*label"]
    ) -> Float64[np.ndarray, " statistics"]:
        """Compute the statistics of one image: finite, of fixed length, additive over images.

        Args:
            prediction: the head's output for one image.
            label: the task's label; unlabelled pixels are ignored.
        """

    def __str__(self) -> str:
        """Format the name for scores and tables, with the settings that are not defaults."""
        given = {
            field.name: (getattr(self, field.name), field.default)
            for field in get_init_fields(type(self))
        }
        items = ", ".join(
            f"{name}={value!r}"
            for name, (value, default) in given.items()
            if isinstance(value, str | int | float) and value != default
        )
        return f"{self.get_name()}({items})" if items else self.get_name()
