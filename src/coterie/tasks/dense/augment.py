"""`Augment`: random rotation, zoom, crop and horizontal flip of images and their labels."""

import math
from dataclasses import dataclass
from functools import partial

import torch

from coterie.tasks.dense.dataset import DenseSample, Label, Tasks
from coterie.tasks.dense.resize import Grid, Size, interpolate_bilinear, interpolate_nearest
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

    def apply(self, sample: DenseSample, tasks: Tasks, generator: torch.Generator) -> DenseSample:
        """Return a randomly augmented copy of `sample`, which has labels of any of `tasks`."""
        # Always five, whatever is applied.
        numbers = torch.rand(5, generator=generator, dtype=torch.float64)
        zoom, turn, down, right, flip = numbers.tolist()
        low, high = self.scale
        view = CropWindow(
            factor=low + zoom * (high - low),
            degrees=(2 * turn - 1) * self.degrees,
            window=self.crop or sample.size,
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
    window: Size
    offset: tuple[float, float] = (0.5, 0.5)

    def crop(self, sample: DenseSample, tasks: Tasks) -> DenseSample:
        """Return the sample as seen through the window."""
        places = self.compute_pixel_coordinates(sample.size)
        image = interpolate_bilinear(sample.image.float(), *places).nan_to_num(nan=0.0)
        image = image.round().clamp(0, 255).byte()
        return sample.transform(image, tasks, partial(self.crop_label, places))

    def crop_label(self, places: tuple[Grid, Grid], label: Label, task: DenseTask) -> Label:
        """Return a label as seen through the window."""
        if label.is_floating_point() and not task.is_image_level:
            label = task.renormalize_label(interpolate_bilinear(label, *places))
        elif not task.is_image_level:
            label = interpolate_nearest(label, *places, unknown=int(task.ignore_value))
        if self.degrees:
            label = task.rotate_label(label, self.degrees)
        return task.scale_label(label, self.factor) if self.factor != 1 else label

    def compute_pixel_coordinates(self, size: Size) -> tuple[Grid, Grid]:
        """Compute row and column, in an image of `size`, of each pixel of the window."""
        offsets = []  # from the centre of the zoomed image
        for old, new, at in zip(size, self.window, self.offset, strict=True):
            start = (old * self.factor - new) * at
            if self.factor == 1 and not self.degrees:
                start = float(round(start))  # a pure crop does not interpolate
            places = torch.arange(new, dtype=torch.float64) + start
            offsets.append(places - (old * self.factor - 1) / 2)
        down, right = torch.meshgrid(*offsets, indexing="ij")
        angle = math.radians(self.degrees)
        # inverse rotation, in axes of which the first points down
        rows = (math.cos(angle) * down + math.sin(angle) * right) / self.factor
        columns = (math.cos(angle) * right - math.sin(angle) * down) / self.factor
        return rows + (size[0] - 1) / 2, columns + (size[1] - 1) / 2


def flip_sample(sample: DenseSample, tasks: Tasks) -> DenseSample:
    """Flip a sample horizontally."""

    def flip(label: Label, task: DenseTask) -> Label:
        return task.flip_label(label if task.is_image_level else label.flip(-1))

    return sample.transform(sample.image.flip(-1), tasks, flip)
