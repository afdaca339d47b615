"""Decoding and encoding of Taskonomy's labels, as in the released code of Mod-Squad."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Float32, Shaped, UInt8
from torch import Tensor

from coterie.metrics.dense.labels import DepthScale, Mask, ScalarMap, to_camera_axes
from coterie.tasks.dense import label_files as files
from coterie.tasks.dense.kinds.depth import Depth
from coterie.tasks.dense.kinds.distillation import Distillation
from coterie.tasks.dense.kinds.normals import Normals
from coterie.tasks.dense.kinds.regression import Regression
from coterie.tasks.dense.resize import resize_bilinear
from coterie.tasks.dense.task import DenseTask

Channels = Float[Tensor, "channels height breadth"]
Encoded = Float32[Tensor, "channels height breadth"]
NO_DEPTH = 65535
"""Stored depth at holes of the scan."""
CURVATURE = Regression(name="principal_curvature", num_channels=2, exponent=2)
CURVATURE_MEAN = (123.572, 120.1)
CURVATURE_DEVIATION = (31.922, 21.658)
OCCLUSION_MAX = 0.00625 * 2**16
DEPTHS = DepthScale(units_per_metre=512.0, log_range=2.0**16)
OCCLUSION = Regression(name="edge_occlusion", blur=4.0)
"""Its labels are blurred after cropping, with a standard deviation of 4 pixels."""
SCANNED = (
    "depth_euclidean", "depth_zbuffer", "edge_occlusion", "keypoints3d", "normal",
    "principal_curvature", "reshading"
)  # fmt: skip
"""Tasks whose labels were rendered from the scan, and are invalid at its holes."""


def encode_curvature(stored: Channels) -> Float32[Tensor, "2 height breadth"]:
    """Standardize the two principal curvatures (red and green); blue is unused."""
    mean, deviation = torch.tensor([CURVATURE_MEAN, CURVATURE_DEVIATION])[..., None, None]
    return (stored[:2].float() - mean) / deviation


def rescale_to_unit_range(stored: Channels, largest: float) -> Encoded:
    """Rescale 0 to `largest` to -1 to 1; larger values are clamped."""
    return 2 * stored.float().clamp(0, largest) / largest - 1


def encode_occlusion(stored: ScalarMap) -> Float32[Tensor, "1 height breadth"]:
    """Encode occlusion edges, 0 to OCCLUSION_MAX as -1 to 1.

    Larger values are not clamped. They are blurred after cropping: see `Regression.blur`.
    """
    return 2 * stored.float() / OCCLUSION_MAX - 1


def encode_normals(stored: Channels) -> Float32[Tensor, "3 height breadth"]:
    """Encode colours, 127.5 being 0, as unit vectors: x right, y up, z to the viewer.

    Red is right, green down, blue to the viewer: Armeni et al., arXiv 1702.01105, sec. 4.2, and
    the authors in https://github.com/EPFL-VILAB/omnidata/issues/13.
    Departs: the released code has y downward and does not normalise the 8-bit vectors.
    """
    return to_camera_axes(2 * stored.float() / 255 - 1)


@dataclass(frozen=True)
class TaskonomyLabel:
    """Storage and encoding of one task's labels.

    Attributes:
        task: the task.
        decode: converts bytes to stored numbers.
        encode: converts resized stored numbers to the label.
    """

    task: DenseTask
    decode: Callable[[bytes], Shaped[np.ndarray, "..."]]
    encode: Callable[[Channels], Float32[Tensor, "..."]]

    def read(
        self, content: bytes, size: tuple[int, ...], target: tuple[int, int], hole: Mask
    ) -> Float32[Tensor, "..."]:
        """Read the label in a file's bytes, of height and breadth `target`.

        Raises ValueError if the file is damaged or its size is not `size`, that of its image.
        """
        stored = self.decode(content)
        if self.task.is_image_level:
            return encode_probabilities(stored, self.task.channels)
        files.check_size(stored.shape[-2:], size)
        values = torch.from_numpy(stored.astype(np.float32)).reshape(-1, *size)
        if self.task.name in SCANNED:
            values[:, torch.from_numpy(hole)] = torch.nan
        return self.encode(resize_bilinear(values, target))


def encode_probabilities(
    stored: Shaped[np.ndarray, "..."], classes: int
) -> Float32[Tensor, " classes"]:
    """Return a teacher's probabilities as float32.

    Raises ValueError unless they are `classes` finite numbers of at least 0.
    """
    files.check_shape(stored.shape, (classes,))
    values = torch.from_numpy(stored.astype(np.float32))
    if not (values >= 0).all() or values.isinf().any():
        raise ValueError("is not finite, or below 0 somewhere: probabilities are allowed")
    return values


def decode_any_rgb(content: bytes) -> UInt8[np.ndarray, "channels height breadth"]:
    """Decode RGB; a grey image is repeated to three channels."""
    try:
        return np.stack([files.decode_uint8(content)] * 3)
    except ValueError:
        return files.decode_rgb_label(content)


def decode_depth(content: bytes) -> Float32[np.ndarray, "height breadth"]:
    """Decode depths from 1/512 m to metres; NaN at holes of the scan."""
    stored = files.decode_uint16(content).astype(np.float32)
    return np.where(stored == NO_DEPTH, np.float32(np.nan), stored / 512)


rescale_bytes = partial(rescale_to_unit_range, largest=255.0)
rescale_texture = partial(rescale_to_unit_range, largest=0.08 * 2**16)
rescale_keypoints2d = partial(rescale_to_unit_range, largest=0.005 * 2**16)
rescale_keypoints3d = partial(rescale_to_unit_range, largest=2.0**16)
LABELS = {
    task.name: TaskonomyLabel(task, decode, encode)
    for task, decode, encode in (
        (Distillation(name="class_object", classes=1000), files.decode_npy, Tensor.float),
        (Distillation(name="class_scene", classes=365), files.decode_npy, Tensor.float),
        (Depth(name="depth_euclidean", scale=DEPTHS), decode_depth, DEPTHS.encode),
        (Depth(name="depth_zbuffer", scale=DEPTHS), decode_depth, DEPTHS.encode),
        (OCCLUSION, files.decode_uint16, encode_occlusion),
        (Regression(name="edge_texture"), files.decode_uint16, rescale_texture),
        (Regression(name="keypoints2d"), files.decode_uint16, rescale_keypoints2d),
        (Regression(name="keypoints3d"), files.decode_uint16, rescale_keypoints3d),
        (Normals(name="normal", criterion="cosine"), files.decode_rgb_label, encode_normals),
        (CURVATURE, files.decode_rgb_label, encode_curvature),
        (Regression(name="reshading", num_channels=3), decode_any_rgb, rescale_bytes),
        (Regression(name="segment_unsup2d"), files.decode_uint8, rescale_bytes),
        (Regression(name="segment_unsup25d"), files.decode_uint8, rescale_bytes),
    )
}
"""Task -> its label, in the order of the heads, with the losses of the released code."""
