"""How depths are written as labels."""

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class DepthScale:
    """Depths in a unit of their own, as they are or as logarithms.

    Taskonomy has `DepthScale(units_per_metre=512.0, log_range=65536.0)`: its pictures count
    1/512 m in 16 bits, and Mod-Squad's code learns log(1 + x) / log(2^16) of that count x.

    Attributes:
        units_per_metre: how many units make a metre, above 0.
        log_range: None where a label is the depth x in units; else a label is
            log(1 + x) / log(log_range), 0 to 1 for depths below this number, which is above 1.
    """

    units_per_metre: float = 1.0
    log_range: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.units_per_metre < math.inf:
            raise ValueError(
                f"DepthScale(units_per_metre={self.units_per_metre!r}): give a number above 0"
            )
        if self.log_range is not None and not 1 < self.log_range < math.inf:
            raise ValueError(
                f"DepthScale(log_range={self.log_range!r}): give None or a number above 1"
            )

    def encode(self, metres: Float[Tensor, "*label"]) -> Float[Tensor, "*label"]:
        """Labels of depths in metres, at least 0; NaN stays."""
        units = metres * self.units_per_metre
        return units.log1p() / math.log(self.log_range) if self.log_range else units

    def decode(self, label: Float[Tensor, "*label"]) -> Float[Tensor, "*label"]:
        """Depths of labels, or of predicted ones: what no depth has is taken to the nearest."""
        if self.log_range is None:
            return label.clamp(min=0) / self.units_per_metre
        return (label.clamp(0, 1) * math.log(self.log_range)).expm1() / self.units_per_metre


METRES = DepthScale()
"""Labels are depths in metres."""
