"""Decoders of the files of PASCAL_MT, as in the released code of ASTMT and M3ViT."""

from collections.abc import Collection

import numpy as np
import torch
from jaxtyping import Float32, Int64, Shaped
from torch import Tensor

from coterie.metrics.dense.labels import Mask, to_camera_axes, to_class_map
from coterie.metrics.dense.thinning import thin_edges
from coterie.optional_imports import import_optional
from coterie.tasks.dense.label_files import check_size, decode_mat, decode_rgb_label, decode_uint8

ClassMap = Int64[np.ndarray, "height breadth"]
SEMSEG_CLASSES = 21
PART_CLASSES = 7
IGNORE_INDEX = 255
PERSON = 15
"""PASCAL-Part's class number of people."""
PART_NAMES = {
    1: "hair head lear lebrow leye mouth nose rear rebrow reye",
    2: "neck torso",
    3: "luarm ruarm",
    4: "lhand llarm rhand rlarm",
    5: "luleg ruleg",
    6: "lfoot llleg rfoot rlleg",
}
"""Class -> parts of a person: head, torso, upper and lower arms, upper and lower legs."""
PART_CLASS = {part: number for number, parts in PART_NAMES.items() for part in parts.split()}
AXIS_SIGNS = (1, -1, 1)
"""Signs of the stored normals; see `PascalContext`."""


def decode_semseg(content: bytes, size: tuple[int, ...]) -> Int64[Tensor, "height breadth"]:
    """Decode classes 0 (background) to 20; 255 where unknown."""
    values = decode_uint8(content)
    check_size(values.shape, size)
    return to_class_map(values, classes=SEMSEG_CLASSES, unknown=IGNORE_INDEX, ignored=IGNORE_INDEX)


def decode_human_parts(content: bytes, size: tuple[int, ...]) -> Int64[Tensor, "height breadth"]:
    """Decode human parts, 0 elsewhere; all pixels are unknown if no part is labelled.

    Raises ValueError if `anno` is not in PASCAL-Part's format: the objects in an image, each with
    name, class, mask and parts, each part with name and mask.
    """
    found = decode_mat(content, "anno")
    labels = np.zeros(size, np.int64)
    try:
        people = [thing for thing in found[0, 0][1].ravel() if int(thing[1].item()) == PERSON]
        for part in [part for person in people for part in person[3].ravel()]:
            fill_part(labels, str(part[0].item()), part[1])
    except (IndexError, TypeError, AttributeError) as error:
        raise ValueError(
            f"has an `anno` that is not PASCAL-Part's ({error}): fetch it again"
        ) from None
    labels[:] = labels if labels.any() else IGNORE_INDEX
    return torch.from_numpy(labels)


def fill_part(labels: ClassMap, part: str, mask: Shaped[np.ndarray, "..."]) -> None:
    """Write the class of one part of a person at the pixels of its mask."""
    if part not in PART_CLASS:
        raise ValueError(f"names a part {part!r}: {', '.join(PART_CLASS)} are allowed")
    check_size(mask.shape, labels.shape)
    labels[mask.astype(bool)] = PART_CLASS[part]


def decode_context(content: bytes, size: tuple[int, ...]) -> ClassMap:
    """Decode the class of each pixel, one of 459."""
    labels = decode_mat(content, "LabelMap")
    check_size(labels.shape, size)
    return labels.astype(np.int64)


def compute_edges(things: ClassMap) -> Float32[Tensor, "1 height breadth"]:
    """Compute edges: 1 on boundaries between different objects, 0 elsewhere.

    An edge is where the Laplacian of the class numbers (4 neighbours; the image is mirrored about
    its outermost pixels) is not 0, thinned by Guo and Hall's algorithm. The released code uses
    OpenCV and scikit-image for it.
    """
    module = import_optional("scipy.ndimage", "data")
    laplacian = module.laplace(things.astype(np.float64), mode="mirror")
    return torch.from_numpy(thin_edges(laplacian != 0).astype(np.float32))[None]


def decode_saliency(content: bytes, size: tuple[int, ...]) -> Float32[Tensor, "1 height breadth"]:
    """Decode saliency: 1 where the stored probability, 0 to 255, is above a half, else 0."""
    values = decode_uint8(content)
    check_size(values.shape, size)
    return torch.from_numpy((values / 255 > 0.5).astype(np.float32))[None]


def decode_normals(
    content: bytes, size: tuple[int, ...], known: Mask
) -> Float32[Tensor, "3 height breadth"]:
    """Decode colours 2x / 255 - 1 to unit vectors; NaN where `known` is false."""
    values = decode_rgb_label(content)
    check_size(values.shape[1:], size)
    stored = torch.from_numpy(values.astype(np.float32)) * 2 / 255 - 1
    return torch.where(torch.from_numpy(known), to_camera_axes(stored, AXIS_SIGNS), torch.nan)


def mask_reliable_normals(things: ClassMap, allowed: Collection[int]) -> Mask:
    """Return the mask of classes for which the normals' teacher network is reliable (indoor)."""
    return np.isin(things, list(allowed))
