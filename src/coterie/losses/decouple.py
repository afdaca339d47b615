"""The decoupling loss of MoMoK: little mutual information between experts' outputs."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from coterie.losses.base import Loss, RoutingLoss, sum_over_processes
from coterie.routing.decision import Routing
from coterie.routing.features import LayerFeatures

PairMoments = Float[Tensor, "experts experts out"]


@dataclass(frozen=True, kw_only=True)
class Decouple(RoutingLoss):
    """CLUB between the outputs of two experts, the mean over pairs and output features.

    An upper bound of mutual information: Cheng et al. 2020 (arXiv:2006.12013) eq. 8; MoMoK has it
    between experts (arXiv:2405.16869). With the Gaussian conditional that fits an output feature of
    two experts best, it is rho^2 / (1 - rho^2), where rho is their correlation over all tokens of a
    batch, whether or not the router sent them there. Low-rank experts alone: correlations of all
    outputs follow from the covariance of the rank features, so that no output is computed.

    Departs: MoMoK trains a network that estimates the conditional, whose variance drifts to its cap
    as its loss lacks the log-determinant, and takes one random pair a step.

    Attributes:
        weight: 1e-4 in MoMoK.
        epsilon: added to 1 - rho^2, in (0, 1): experts that are copies have a loss of 1 / epsilon.
    """

    reads_features: ClassVar[bool] = True
    weight: float = 1e-4
    epsilon: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.epsilon < 1:
            raise ValueError(f"Decouple(epsilon={self.epsilon}): give a number in (0, 1)")

    def compute(self, routing: Routing) -> Loss:
        features = self.get_features(routing)
        # Products in bfloat16, as autocast has them, lose the covariance of small outputs.
        with torch.autocast(features.x.device.type, enabled=False):
            shared = compute_squared_correlations(compute_moments(features))
        club = shared / (1 - shared + self.epsilon)
        count = len(features.ranks)
        pairs = torch.ones(count, count, dtype=torch.bool, device=club.device).triu(1)
        return club[pairs].sum() / max(1, club.shape[-1] * count * (count - 1) // 2)


def compute_moments(features: LayerFeatures) -> PairMoments:
    """Compute the covariances of all pairs of experts in each output feature, without scales.

    Over the tokens of the global batch, in float32. Raises ValueError for other experts.
    """
    if features.down is None or features.up is None:
        raise ValueError(
            "Decouple needs experts that are low-rank changes, such as Lora: leave it out of a "
            "recipe with other experts"
        )
    x, up, ranks = features.x.float(), features.up.float(), features.ranks
    if features.valid is not None:
        x = x.where(features.valid[:, None], 0.0)
    tokens = x.new_ones(len(x), 1) if features.valid is None else features.valid[:, None].float()
    hidden = x @ features.down.float().t()
    count = sum_over_processes(tokens.sum()).clamp_min(1.0)
    # In two passes: the difference of a second moment and a squared mean may be rounding alone. The
    # covariance's derivative by the mean is 0, and sums over processes must not be nested.
    mean = sum_over_processes((hidden.detach() * tokens).sum(0)) / count
    centred = (hidden - mean) * tokens
    covariance = sum_over_processes(centred.t() @ centred) / count
    rows = covariance.split(list(ranks), dim=1)
    crossed = torch.stack(
        [up * (part @ own) for part, own in zip(rows, up.split(list(ranks)), strict=True)]
    )
    return torch.stack([part.sum(1) for part in crossed.split(list(ranks), dim=1)])


def compute_squared_correlations(moments: PairMoments) -> PairMoments:
    """Compute the squared correlation of each pair; 0 where an output does not vary."""
    variance = moments.diagonal().t()  # [experts, out]
    product = variance[:, None] * variance
    known = product > torch.finfo(product.dtype).tiny
    # Rounding may put it above 1.
    return torch.where(known, moments.square() / product.where(known, 1.0), 0.0).clamp_max(1.0)
