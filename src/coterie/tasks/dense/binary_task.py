"""`BinaryTask`: dense tasks with a label of 0 or 1 a pixel."""

from jaxtyping import Float
from torch import Tensor

from coterie.tasks.dense.task import DenseTask
from coterie.tasks.dense.visualize import Visualization, apply_colormap_range


class BinaryTask(DenseTask):
    """A task with one logit and a label of 0 or 1 for each pixel."""

    @property
    def channels(self) -> int:
        return 1

    def visualize(
        self,
        prediction: Float[Tensor, "1 height breadth"],
        label: Float[Tensor, "1 height breadth"] | None,
    ) -> Visualization:
        """Violet for 0, yellow for 1, of the label and of the predicted probability."""
        return apply_colormap_range(prediction.sigmoid(), label, 0.0, 1.0)

    def renormalize_label(self, label: Float[Tensor, "*label"]) -> Float[Tensor, "*label"]:
        """Round means of neighbouring pixels: 1 from one half on, else 0."""
        return (label >= 0.5).to(label.dtype).where(~label.isnan(), label)
