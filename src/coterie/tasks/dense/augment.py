"""`Augment`: random rotation, zoom, crop and horizontal flip of images and their labels."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float64, Shaped
from torch import Tensor

from coterie.tasks.dense.dataset import DenseSample
from coterie.tasks.dense.resize import interpolate_bilinear, interpolate_nearest
from coterie.tasks.dense.task import DenseTask


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Random augmentation of samples; by default only horizontal flips.

    An image is rotated about its centre and zoomed, a window is cropped from it, and that is
    flipped. Where the window extends beyond the image, the pixels are black, as in the code of
    M3ViT, and labels are unknown. Labels are transformed by their task: normals rotate with the
    image, depth decreases with zoom.

    Departs: the released code of Mod-Squad flips normals without changing the sign of x.

    Attributes:
        crop: height and breadth of the window in pixels; None for the image's own size.
        flip: probability of a horizontal flip, 0 to 1.
        scale: range of the zoom, above 0; sampled uniformly. (0.75, 1.25) in M3ViT.
        degrees: maximum rotation in either direction; sampled uniformly. 20 in M3ViT.
    """

    crop: tuple[int, int] | None = None
    flip: float = 0.5
    scale: tuple[float, float] = (1.0, 1.0)
    degrees: float = 0.0

    def __post_init__(self) -> None:
        if self.crop is not None and min(self.crop) < 1:
            raise ValueError(f"Augment(crop={self.crop}): give at least 1 x 1 pixels, or None")
        if not 0 <= self.flip <= 1:
            raise ValueError(f"Augment(flip={self.flip}): give a probability, 0 to 1")
        if not 0 < self.scale[0] <= self.scale[1] < math.inf:
            raise ValueError(f"Augment(scale={self.scale}): give the least, above 0, then the most")
        if not 0 <= self.degrees <= 180:
            raise ValueError(f"Augment(degrees={self.degrees}): give 0 to 180")

    def apply(
        self, sample: DenseSample, tasks: Sequence[DenseTask], generator: torch.Generator
    ) -> DenseSample:
        """Return a randomly augmented copy of `sample`.

        Args:
            sample: a sample with labels of any of `tasks`; not modified.
            tasks: the tasks of the labels.
            generator: source of randomness; each call uses five numbers, whatever is applied.
        """
        zoom, turn, down, right, flip = torch.rand(
            5, generator=generator, dtype=torch.float64
        ).tolist()
        low, high = self.scale
        size = sample.image.shape[-2], sample.image.shape[-1]
        view = CropWindow(
            factor=low + zoom * (high - low),
            degrees=(2 * turn - 1) * self.degrees,
            window=self.crop or size,
            offset=(down, right) if self.crop else (0.5, 0.5),
        )
        cropped = view.crop(sample, tasks)
        return flip_sample(cropped, tasks) if flip < self.flip else cropped


@dataclass(frozen=True, kw_only=True)
class CropWindow:
    """A window of a rotated and zoomed image.

    Attributes:
        factor: the zoom, above 0.
        degrees: the rotation, counter-clockwise.
        window: height and breadth in pixels.
        offset: position of the window, from 0 (top, left) to 1 (bottom, right).
    """

    factor: float = 1.0
    degrees: float = 0.0
    window: tuple[int, int]
    offset: tuple[float, float] = (0.5, 0.5)

    def crop(self, sample: DenseSample, tasks: Sequence[DenseTask]) -> DenseSample:
        """Return the sample as seen through the window."""
        coordinates = self.compute_pixel_coordinates(
            (sample.image.shape[-2], sample.image.shape[-1])
        )
        image = interpolate_bilinear(sample.image.float(), *coordinates).nan_to_num(nan=0.0)
        return replace(
            sample,
            image=image.round().clamp(0, 255).byte(),
            labels=map_labels(
                sample, tasks, lambda label, task: self.crop_label(label, task, coordinates)
            ),
        )

    def crop_label(
        self,
        label: Shaped[Tensor, "*label"],
        task: DenseTask,
        places: tuple[Float64[Tensor, "height breadth"], Float64[Tensor, "height breadth"]],
    ) -> Shaped[Tensor, "..."]:
        """Return a label as seen through the window."""
        if not task.is_image_level:
            label = (
                task.renormalize_label(interpolate_bilinear(label, *places))
                if label.is_floating_point()
                else interpolate_nearest(label, *places, unknown=int(task.ignore_value))
            )
        if self.degrees:
            label = task.rotate_label(label, self.degrees)
        return task.scale_label(label, self.factor) if self.factor != 1 else label

    def compute_pixel_coordinates(
        self, size: tuple[int, int]
    ) -> tuple[Float64[Tensor, "height breadth"], Float64[Tensor, "height breadth"]]:
        """Compute row and column, in an image of `size`, of each pixel of the window."""
        starts = [
            (old * self.factor - new) * at
            for old, new, at in zip(size, self.window, self.offset, strict=True)
        ]
        if self.factor == 1 and not self.degrees:
            starts = [float(round(start)) for start in starts]  # a pure crop does not interpolate
        offsets = [
            compute_axis_offsets(start, new, old * self.factor)
            for start, new, old in zip(starts, self.window, size, strict=True)
        ]
        down, right = torch.meshgrid(*offsets, indexing="ij")
        angle = math.radians(self.degrees)
        # inverse rotation, in axes of which the first points down
        rows = (math.cos(angle) * down + math.sin(angle) * right) / self.factor
        columns = (math.cos(angle) * right - math.sin(angle) * down) / self.factor
        return rows + (size[0] - 1) / 2, columns + (size[1] - 1) / 2


def compute_axis_offsets(start: float, length: int, whole: float) -> Float64[Tensor, " place"]:
    """Compute offsets of a window's pixels from the centre of an image of `whole` pixels."""
    return torch.arange(length, dtype=torch.float64) + start - (whole - 1) / 2


def flip_sample(sample: DenseSample, tasks: Sequence[DenseTask]) -> DenseSample:
    """Flip a sample horizontally."""
    labels = map_labels(
        sample,
        tasks,
        lambda label, task: task.flip_label(label if task.is_image_level else label.flip(-1)),
    )
    return replace(sample, image=sample.image.flip(-1), labels=labels)


def map_labels(
    sample: DenseSample,
    tasks: Sequence[DenseTask],
    change: Callable[[Shaped[Tensor, "..."], DenseTask], Shaped[Tensor, "..."]],
) -> dict[str, Shaped[Tensor, "..."]]:
    """Apply `change` to each label of the sample."""
    return {
        task.name: change(sample.labels[task.name], task)
        for task in tasks
        if task.name in sample.labels
    }
