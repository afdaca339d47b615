"""`Saliency`: salient object detection."""

from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F

from coterie.metrics.dense.labels import compute_masked_mean, mask_unlabelled
from coterie.metrics.dense.max_f import MaxF
from coterie.metrics.dense.max_iou import MaxIoU
from coterie.tasks.dense.task import BinaryTask, Losses, MapBatch


@dataclass(frozen=True, kw_only=True)
class Saliency(BinaryTask):
    """Saliency, a label of 0 or 1 per pixel, with class-balanced cross-entropy.

    Salient pixels have weight w and the others 1 - w, where w is the share of pixels that are not
    salient (HED, arXiv:1504.06375 eq. 2); then the mean over labelled pixels. As in M3ViT
    (arXiv:2210.14793), where this task's weight is 5.

    Departs: the released code computes w per batch; here it is per image, as in HED.

    Attributes:
        report: the score: "iou", `MaxIoU`, or "f", `MaxF`.
    """

    report: Literal["iou", "f"] = "iou"

    def compute_loss(self, prediction: MapBatch, label: MapBatch) -> Losses:
        logits, target, known = mask_unlabelled(prediction, label)
        salient = compute_masked_mean(target, known)[:, None, None, None]  # a share, 1 - w
        weights = target * (1 - salient) + (1 - target) * salient
        losses = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        return compute_masked_mean(losses * weights, known)

    def make_metric(self) -> MaxIoU | MaxF:
        return {"iou": MaxIoU(), "f": MaxF()}[self.report]
