"""The interface of metrics of maps: what a head predicts for each pixel, or for the image."""

from abc import abstractmethod
from typing import ClassVar

import numpy as np
from jaxtyping import Float64, Shaped
from torch import Tensor

from coterie.metrics.base import Metric
from coterie.metrics.prediction import MapPrediction
from coterie.serialization import get_init_fields


class DenseMetric(Metric):
    """Compares a map with a label. Kinds are frozen keyword-only dataclasses."""

    prediction_type: ClassVar[type[MapPrediction]] = MapPrediction

    @abstractmethod
    def statistics(
        self, prediction: MapPrediction, label: Shaped[Tensor, "*label"]
    ) -> Float64[np.ndarray, " statistics"]:
        """Numbers that add up over images, all finite, always equally many.

        Args:
            prediction: the head's output for one image.
            label: as the task has it; pixels without a label do not count.
        """

    def __str__(self) -> str:
        """The name in scores and tables, with the numbers and texts that are not the defaults."""
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
