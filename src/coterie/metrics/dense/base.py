"""What every metric of predicted pictures answers to."""

from abc import abstractmethod

import numpy as np
from jaxtyping import Float, Float64, Shaped
from torch import Tensor

from coterie.metrics.base import Metric
from coterie.metrics.text.normalization import to_snake_case
from coterie.serialization import get_init_fields


class DenseMetric(Metric):
    """How good a head's answer to one picture is. Kinds are frozen keyword-only dataclasses."""

    @abstractmethod
    def statistics(
        self, prediction: Float[Tensor, "channels *place"], label: Shaped[Tensor, "*label"]
    ) -> Float64[np.ndarray, " statistics"]:
        """Numbers that add up over pictures, all finite, always equally many.

        Args:
            prediction: what the head wrote, as it goes into the loss: logits where the kind says
                so, not probabilities.
            label: as the kind has it; pixels without a label do not count.
        """

    def __str__(self) -> str:
        """What scores and tables call it: its name, and the numbers and words it was given."""
        given = {
            field.name: (getattr(self, field.name), field.default)
            for field in get_init_fields(type(self))
        }
        items = ", ".join(
            f"{name}={value!r}"
            for name, (value, default) in given.items()
            if isinstance(value, str | int | float) and value != default
        )
        name = to_snake_case(type(self).__name__.replace("IoU", "Iou"))  # one word
        return f"{name}({items})" if items else name
