"""The predictive loss of Self-MI: what the text part holds tells what each modality holds."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from coterie.info_nce import compute_info_nce
from coterie.losses.base import Loss, RoutingLoss, gather_over_processes
from coterie.routing.decision import Routing
from coterie.routing.features import LayerFeatures


@dataclass(frozen=True, kw_only=True)
class Predictive(RoutingLoss):
    """InfoNCE between the mean text token and the mean token of each other modality of a sample.

    In a decoder the text after a picture is where modalities are fused; the loss is low if it tells
    that picture from the batch's others, and so works against a modality that is neglected. The
    mean over modalities and samples. Self-MI (arXiv:2311.03785) has such a term, CPC, between the
    fused and each modality's features, with the loss of MMIM's code.

    Departs: cosines of the features themselves, as a routing loss has no weights for the linear map
    between them; with a temperature, without which the bound of the mutual information cannot
    exceed 0.57 nats for 2 samples and 1.82 for 32. Negatives are the samples of all processes in a
    part of a step. A layer of one modality has no pairs, and adds 0.

    Attributes:
        weight: 0.1 in MMIM's code.
        temperature: divisor of the cosines, above 0.
    """

    reads_features: ClassVar[bool] = True
    weight: float = 0.1
    temperature: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.temperature < float("inf"):
            raise ValueError(f"Predictive(temperature={self.temperature}): give a number above 0")

    def compute(self, routing: Routing) -> Loss:
        features, names = self.get_features(routing), routing.modalities
        losses = [features.x.new_zeros(0, dtype=torch.float32)]
        if features.sample is not None and features.modality is not None and "text" in names:
            fused, has_text = average_by_sample(features, names.index("text"))
            for number in (i for i, name in enumerate(names) if name != "text"):
                own, there = average_by_sample(features, number)
                both = has_text & there
                pairs = (gather_over_processes(each[both]) for each in (fused, own))
                losses.append(compute_info_nce(*pairs, temperature=self.temperature))
        found = torch.cat(losses)
        # Without a pair, the input is in the graph all the same, as that of other processes is.
        return found.sum() / max(1, len(found)) + 0.0 * features.x[:0].float().sum()


def average_by_sample(
    features: LayerFeatures, modality: int
) -> tuple[Float[Tensor, "samples width"], Bool[Tensor, " samples"]]:
    """Return the mean over each sample's tokens of a modality, and which samples have some."""
    assert features.sample is not None and features.modality is not None
    chosen: Bool[Tensor, " tokens"] = features.modality == modality
    if features.valid is not None:
        chosen = chosen & features.valid
    owner: Int[Tensor, " tokens"] = features.sample[chosen]
    samples = int(features.sample.max()) + 1 if len(features.sample) else 0
    x = features.x[chosen].float()
    sums = x.new_zeros(samples, x.shape[1]).index_add(0, owner, x)
    counts = x.new_zeros(samples).index_add(0, owner, x.new_ones(len(x)))
    return sums / counts.clamp_min(1.0)[:, None], counts > 0
