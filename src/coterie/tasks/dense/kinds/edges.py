"""`Edges`: edge detection."""

from dataclasses import dataclass

import torch.nn.functional as F

from coterie.metrics.dense.labels import compute_masked_mean, mask_unlabelled
from coterie.metrics.dense.ods_f import OdsF
from coterie.tasks.dense.task import BinaryTask, Losses, MapBatch


@dataclass(frozen=True, kw_only=True)
class Edges(BinaryTask):
    """Edge detection, a label of 0 or 1 per pixel, with weighted cross-entropy.

    The mean over labelled pixels, in which edge pixels have weight `positive_weight` and others
    1 - `positive_weight`. As in M3ViT (arXiv:2210.14793), where this task's weight is 50.

    Attributes:
        positive_weight: weight of edge pixels, above 0 and below 1.
        thresholds: number of thresholds of the score; fewer are faster.
    """

    positive_weight: float = 0.95
    thresholds: int = 99

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.positive_weight < 1:
            raise ValueError(
                f"Edges(positive_weight={self.positive_weight!r}): give a number between 0 and 1"
            )

    def compute_loss(self, prediction: MapBatch, label: MapBatch) -> Losses:
        logits, target, known = mask_unlabelled(prediction, label)
        weights = target * self.positive_weight + (1 - target) * (1 - self.positive_weight)
        losses = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        return compute_masked_mean(losses * weights, known)

    def make_metric(self) -> OdsF:
        return OdsF(thresholds=self.thresholds)
