"""TorchJD aggregators, made independent of the scale of the gradients."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coterie.optional_imports import import_optional

EXTRA = "gradients"


class ScaledAggregator(nn.Module):
    """An aggregator applied to gradients of Frobenius norm 1; the result is scaled back.

    All aggregators used here are positively homogeneous, A(s J) = s A(J), so this changes no
    result but for rounding. It matters for small gradients: TorchJD treats a Jacobian whose
    squared norm is below 1e-4 as 0 (`norm_eps`), and UPGrad and CAGrad then return a plain mean.
    Gradients of adapters are often that small.
    """

    def __init__(self, aggregator: nn.Module) -> None:
        super().__init__()
        self.aggregator = aggregator

    @torch.no_grad()
    def forward(self, gradients: Float[Tensor, "tasks parameters"]) -> Float[Tensor, " parameters"]:
        norm = gradients.norm()
        # A branch on the norm would synchronise with the GPU.
        scaled = gradients / norm.clamp_min(torch.finfo(gradients.dtype).tiny)
        return self.aggregator(scaled) * norm


def make_torchjd_aggregator(name: str, **options: Any) -> ScaledAggregator:
    """Return TorchJD's aggregator of this name.

    Args:
        name: a class of torchjd.aggregation, such as "PCGrad".
        options: arguments of the class.

    Raises ValueError, naming the extra to install, if TorchJD or a solver it needs is missing.
    """
    aggregation: Any = import_optional("torchjd.aggregation", EXTRA)
    try:
        return ScaledAggregator(getattr(aggregation, name)(**options))
    except ImportError as error:
        raise ValueError(
            f"balancing by {name} needs a solver that is not installed ({error}): "
            f"pip install 'coterie[{EXTRA}]'"
        ) from error
