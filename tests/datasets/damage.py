"""Ways in which a file of labels may be damaged: one message is expected of each."""

import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.datasets.written import SIZE, anno, mat, npy, png

Change = Callable[[bytes], bytes | None]
"""A good file's content to a damaged one's; None removes it."""
H, W = SIZE


@dataclass(frozen=True)
class Damage:
    """What is done to some files, and a pattern of what is said of each.

    Attributes:
        kind: which way of being damaged.
        files: patterns of their names, "{}" standing for a picture.
        change: what is done.
        reason: pattern of the message.
    """

    kind: str
    files: tuple[str, ...]
    change: Change
    reason: str


def cut(content: bytes) -> bytes:
    """Half of a file."""
    return content[: len(content) // 2]


def cut_png(content: bytes) -> bytes:
    """A PNG that breaks off in its pixels."""
    return content[: content.index(b"IDAT") + 6]


def other(content: bytes | None) -> Change:
    """Something else in the file's place."""
    return lambda _: content


def header_of_objects() -> bytes:
    """A .npy file of pickled objects."""
    return npy(np.array([{"a": 1}], dtype=object))


def archive() -> bytes:
    """A .npz file."""
    file = io.BytesIO()
    np.savez(file, label=np.zeros(SIZE))
    return file.getvalue()


def filled(shape: tuple[int, ...], value: float = 0.0, dtype: type = np.float32) -> bytes:
    """A .npy file of one value."""
    return npy(np.full(shape, value, dtype))


def whole(array_of: type, *more: int) -> np.ndarray:
    """Black, of the pictures' size."""
    return np.zeros((*SIZE, *more), array_of)


GONE = r"cannot be read \(No such file or directory\): fetch it again"
TALL = f"is {H + 1} x {W}, its picture {H} x {W}"
VIEW = "taskonomy/adairsville/point_{}_view_0_domain_"
TASKONOMY_PNG = tuple(
    f"{part}/{VIEW}{part}.png" for part in ("depth_zbuffer", "normal", "segment_unsup2d")
)
TASKONOMY_NPY = tuple(f"{part}/{VIEW}{part}.npy" for part in ("class_object", "class_scene"))
TASKONOMY = (
    Damage("missing label", (TASKONOMY_PNG[0], TASKONOMY_NPY[0]), other(None), GONE),
    Damage("missing image", (f"rgb/{VIEW}rgb.png",), other(None), GONE),
    Damage("empty", (TASKONOMY_PNG[1], TASKONOMY_NPY[1]), other(b""), "is empty: fetch"),
    Damage("not an image", TASKONOMY_PNG, other(b"<html>404</html>"), "is no picture"),
    Damage("truncated", TASKONOMY_PNG, cut_png, "is a damaged picture"),
    Damage("truncated", TASKONOMY_NPY, cut, "is no good .npy file"),
    Damage("size", (TASKONOMY_PNG[0],), other(png(np.zeros((H + 1, W), np.uint16))), TALL),
    Damage("size", (TASKONOMY_PNG[1],), other(png(np.zeros((H + 1, W, 3), np.uint8))), TALL),
    Damage("channels", (TASKONOMY_PNG[1],), other(png(whole(np.uint8))), "mode L: RGB of 8 bits"),
    Damage("channels", TASKONOMY_PNG[::2], other(png(whole(np.uint8, 3))), "mode RGB: one channel"),
    Damage("dtype", (TASKONOMY_PNG[0],), other(png(whole(np.uint8))), "mode L: one channel of 16"),
    Damage("dtype", (TASKONOMY_PNG[2],), other(png(whole(np.uint16))), "mode I;16: one channel"),
    Damage("dtype", TASKONOMY_NPY, other(npy(np.array(["a"]))), "holds <U1: numbers are allowed"),
    Damage("pickled", TASKONOMY_NPY, other(header_of_objects()), "is no good .npy file"),
    Damage("pickled", TASKONOMY_NPY, other(pickle.dumps([1])), "is no good .npy file"),
    Damage("length", TASKONOMY_NPY, other(filled((999,))), r"has shape \[999\]: \[(1000|365)\] is"),
    Damage("not finite", TASKONOMY_NPY[:1], other(filled((1000,), np.nan)), "is not finite"),
    Damage("not finite", TASKONOMY_NPY[1:], other(filled((365,), np.inf)), "is not finite"),
)
NAME = "2008_{:06}"
PASCAL_PNG = (f"semseg/VOC12/{NAME}.png", f"sal_distill/{NAME}.png", f"normals_distill/{NAME}.png")
PASCAL_MAT = (f"human_parts/{NAME}.mat", f"pascal-context/trainval/{NAME}.mat")
TALL_PERSON = anno([(15, {"head": np.ones((H + 1, W), np.uint8)})], SIZE)
PASCAL = (
    Damage("missing label", (*PASCAL_PNG[1:], *PASCAL_MAT), other(None), GONE),
    Damage("missing image", (f"JPEGImages/{NAME}.jpg",), other(None), GONE),
    Damage("empty", (PASCAL_PNG[1], *PASCAL_MAT), other(b""), "is empty: fetch"),
    Damage("not an image", PASCAL_PNG, other(b"<html>404</html>"), "is no picture"),
    Damage("truncated", PASCAL_PNG, cut_png, "is a damaged picture"),
    Damage("truncated", (f"JPEGImages/{NAME}.jpg",), cut, "is (a damaged|no) picture"),
    Damage("truncated", PASCAL_MAT, cut, "is no good .mat file"),
    Damage("size", PASCAL_PNG[:2], other(png(np.zeros((H + 1, W), np.uint8))), TALL),
    Damage("size", PASCAL_MAT[:1], other(mat(anno=TALL_PERSON)), TALL),
    Damage("size", PASCAL_MAT[1:], other(mat(LabelMap=np.zeros((H + 1, W)))), TALL),
    Damage("channels", PASCAL_PNG[:2], other(png(whole(np.uint8, 3))), "mode RGB: one channel"),
    Damage("channels", PASCAL_PNG[2:], other(png(whole(np.uint8))), "mode L: RGB of 8 bits"),
    Damage("dtype", PASCAL_PNG[:2], other(png(whole(np.uint16))), "mode I;16: one channel of 8"),
    Damage("class", PASCAL_PNG[:1], other(png(whole(np.uint8) + 21)), "holds 21: classes 0 to 20"),
    Damage("variable", PASCAL_MAT, other(mat(x=1)), "has no variable (anno|LabelMap), but x"),
    Damage("not MATLAB", PASCAL_MAT, other(pickle.dumps([1] * 99)), "is no good .mat file"),
)
NYU = ("label/{}.npy", "depth/{}.npy", "normal/{}.npy")
NYUV2 = (
    Damage("missing label", NYU, other(None), GONE),
    Damage("missing image", ("image/{}.npy",), other(None), GONE),
    Damage("empty", NYU, other(b""), "is empty: fetch"),
    Damage("truncated", ("image/{}.npy", *NYU), cut, "is no good .npy file"),
    Damage("pickled", NYU, other(header_of_objects()), "is no good .npy file"),
    Damage("not an array", NYU, other(archive()), "is no good .npy file"),
    Damage("size", NYU[:1], other(filled((H + 1, W))), r"has shape \[5, 6\]: \[4, 6\] is allowed"),
    Damage("size", NYU[1:2], other(filled((H + 1, W, 1))), r"shape \[5, 6, 1\]: \[4, 6, 1\] is"),
    Damage("channels", NYU[2:], other(filled((*SIZE, 4))), r"has shape \[4, 6, 4\]: \[4, 6, 3\]"),
    Damage("channels", ("image/{}.npy",), other(filled(SIZE)), r"shape \[4, 6\]: \[4, 6, 3\]"),
    Damage("dtype", NYU, other(npy(np.full(SIZE, 1j))), "holds complex128: numbers are allowed"),
    Damage("range", ("image/{}.npy",), other(filled((*SIZE, 3), 255)), "from 255 to 255: 0 to 1"),
    Damage("range", ("image/{}.npy",), other(filled((*SIZE, 3), np.nan)), "nan to nan: 0 to 1"),
    Damage("range", NYU[1:2], other(filled((*SIZE, 1), -1)), "metres above 0 are allowed"),
    Damage("not finite", NYU[1:2], other(filled((*SIZE, 1), np.nan)), "no depth at any pixel"),
    Damage("not finite", NYU[1:2], other(filled((*SIZE, 1), np.inf)), "metres above 0 are"),
    Damage("not finite", NYU[2:], other(filled((*SIZE, 3), np.nan)), "no normal at any pixel"),
    Damage("not finite", NYU[2:], other(filled((*SIZE, 3), np.inf)), "is infinite somewhere"),
    Damage("class", NYU[:1], other(filled(SIZE, 13)), "holds 13.0: classes 0 to 12 are allowed"),
    Damage("class", NYU[:1], other(filled(SIZE, np.nan)), "holds nan: classes 0 to 12"),
)


def done(folder: Path, damages: tuple[Damage, ...], first: int) -> dict[str, str]:
    """Damage one file a picture, from picture number `first` on; file -> what is said of it."""
    expected = {}
    picture = first
    for damage in damages:
        for pattern in damage.files:
            name = pattern.format(picture)
            content = damage.change((folder / name).read_bytes())
            if content is None:
                (folder / name).unlink()
            else:
                (folder / name).write_bytes(content)
            expected[name] = damage.reason
            picture += 1
    return expected
