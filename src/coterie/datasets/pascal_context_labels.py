"""What the files of PASCAL_MT become, as in the released codes of ASTMT and M3ViT."""

from collections.abc import Collection

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64, Shaped, UInt8
from torch import Tensor

from coterie.metrics.dense.labels import to_camera_axes, to_class_map
from coterie.metrics.dense.thinning import thin_edges
from coterie.optional_imports import import_optional
from coterie.tasks.dense.label_files import check_size, decode_mat, decode_rgb_label, decode_uint8

SEMSEG_CLASSES = 21
PART_CLASSES = 7
IGNORE_INDEX = 255
PERSON = 15
"""The number of people among the things that PASCAL-Part takes apart."""
PART_NAMES = {
    1: "hair head lear lebrow leye mouth nose rear rebrow reye",
    2: "neck torso",
    3: "luarm ruarm",
    4: "lhand llarm rhand rlarm",
    5: "luleg ruleg",
    6: "lfoot llleg rfoot rlleg",
}
"""Class -> the parts of a person in it: head, torso, upper and lower arms, upper and lower legs."""
PART_CLASS = {part: number for number, parts in PART_NAMES.items() for part in parts.split()}
AXIS_SIGNS = (1, -1, 1)
"""Signs of the stored normals; see `PascalContext`."""


def decode_semseg(content: bytes, size: tuple[int, ...]) -> Int64[Tensor, "height breadth"]:
    """Classes 0, background, to 20 of a picture; 255 where nothing is known."""
    values = decode_uint8(content)
    check_size(values.shape, size)
    return to_class_map(values, classes=SEMSEG_CLASSES, unknown=IGNORE_INDEX, ignored=IGNORE_INDEX)


def decode_human_parts(content: bytes, size: tuple[int, ...]) -> Int64[Tensor, "height breadth"]:
    """Parts of people, 0 elsewhere; where no part of anyone is labelled, all is unknown.

    Raises ValueError if `anno` is not as PASCAL-Part has it: the things in a picture, each with
    name, class, mask and parts, each part with name and mask.
    """
    found = decode_mat(content, "anno")
    labels = np.zeros(size, np.int64)
    try:
        for person in [thing for thing in found[0, 0][1].ravel() if int(thing[1].item()) == PERSON]:
            for part in person[3].ravel():
                fill_part(labels, str(part[0].item()), part[1])
    except (IndexError, TypeError, AttributeError) as error:
        raise ValueError(
            f"has an `anno` that is not PASCAL-Part's ({error}): fetch it again"
        ) from None
    labels[:] = labels if labels.any() else IGNORE_INDEX
    return torch.from_numpy(labels)


def fill_part(
    labels: Int64[np.ndarray, "height breadth"], part: str, mask: Shaped[np.ndarray, "..."]
) -> None:
    """Write the class of one part of a person where the part is."""
    if part not in PART_CLASS:
        raise ValueError(f"names a part {part!r}: {', '.join(PART_CLASS)} are allowed")
    check_size(mask.shape, labels.shape)
    labels[mask.astype(bool)] = PART_CLASS[part]


def decode_context(content: bytes, size: tuple[int, ...]) -> Int64[np.ndarray, "height breadth"]:
    """Which of 459 things each pixel is of."""
    labels = decode_mat(content, "LabelMap")
    check_size(labels.shape, size)
    return labels.astype(np.int64)


def compute_edges(
    things: Int64[np.ndarray, "height breadth"],
) -> Float32[Tensor, "1 height breadth"]:
    """1 on the lines between different things, 0 elsewhere.

    The Laplacian (4 neighbours; beyond the border, the picture is mirrored about its outermost
    pixels) of the numbers is not 0, thinned by Guo and Hall's algorithm, in place of OpenCV and
    scikit-image, which the released code has for it.
    """
    laplacian = import_optional("scipy.ndimage", "data").laplace(
        things.astype(np.float64), mode="mirror"
    )
    return torch.from_numpy(thin_edges(laplacian != 0).astype(np.float32))[None]


def decode_saliency(content: bytes, size: tuple[int, ...]) -> Float32[Tensor, "1 height breadth"]:
    """1 where a picture of probabilities, 0 to 255, is above a half; 0 elsewhere."""
    values = decode_uint8(content)
    check_size(values.shape, size)
    return torch.from_numpy((values / 255 > 0.5).astype(np.float32))[None]


def decode_normals(
    content: bytes, size: tuple[int, ...], known: Bool[np.ndarray, "height breadth"]
) -> Float32[Tensor, "3 height breadth"]:
    """Colours 2x / 255 - 1 as unit vectors; NaN where `known` says no."""
    values: UInt8[np.ndarray, "channels height breadth"] = decode_rgb_label(content)
    check_size(values.shape[1:], size)
    stored = torch.from_numpy(values.astype(np.float32)) * 2 / 255 - 1
    return torch.where(torch.from_numpy(known), to_camera_axes(stored, AXIS_SIGNS), torch.nan)


def mask_reliable_normals(
    things: Int64[np.ndarray, "height breadth"], allowed: Collection[int]
) -> Bool[np.ndarray, "height breadth"]:
    """Where things are that the teacher of the normals had seen indoors."""
    return np.isin(things, list(allowed))
