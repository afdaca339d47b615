"""`BinaryTask`: dense tasks with a label of 0 or 1 per pixel."""

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
        """Show 0 as violet and 1 as yellow, for the label and the predicted probability."""
        return apply_colormap_range(prediction.sigmoid(), label, 0.0, 1.0)

    def renormalize_label(self, label: Float[Tensor, "*label"]) -> Float[Tensor, "*label"]:
        """Round means of neighbouring pixels to 0 or 1; one half becomes 1."""
        return (label >= 0.5).to(label.dtype).where(~label.isnan(), label)
