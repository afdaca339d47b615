"""Small data sets written in the formats they are published in."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

SIZE = (4, 6)
"""Height and breadth of every picture."""
SCENES = {"adairsville": "1,0,0", "airport": "0,1,0", "ballou": "0,0,1", "woodbine": "1,0,0"}
SIXTEEN = ("depth_euclidean", "depth_zbuffer", "edge_occlusion", "edge_texture", "keypoints2d")
GREY = ("segment_unsup2d", "segment_unsup25d")
COLOURS = ("rgb", "normal", "principal_curvature", "reshading")
CLASSES = {"class_object": 1000, "class_scene": 365}


def png(array: np.ndarray, mode: str | None = None) -> bytes:
    """A PNG of uint8 or uint16 values."""
    image = Image.fromarray(array)
    file = io.BytesIO()
    (image.convert(mode) if mode else image).save(file, "PNG")
    return file.getvalue()


def jpg(array: np.ndarray) -> bytes:
    """A JPEG of uint8 values."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, "JPEG")
    return file.getvalue()


def npy(array: np.ndarray) -> bytes:
    """A .npy file; one of objects is pickled."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=array.dtype == object)
    return file.getvalue()


def mat(**variables: object) -> bytes:
    """A .mat file."""
    file = io.BytesIO()
    savemat(file, variables)
    return file.getvalue()


def put(file: Path, content: bytes) -> None:
    """Write a file and the folders it lies in."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def records(fields: Sequence[str], rows: Sequence[Sequence[object]]) -> np.ndarray:
    """What MATLAB calls a struct array of one row."""
    found = np.empty((1, len(rows)), dtype=[(field, object) for field in fields])
    for index, row in enumerate(rows):
        found[0, index] = tuple(row)
    return found


def anno(things: Sequence[tuple[int, dict[str, np.ndarray]]], size: tuple[int, int]) -> np.ndarray:
    """PASCAL-Part's `anno`: things of a class, each with masks of its parts."""
    whole = np.ones(size, np.uint8)
    objects = [
        (
            "thing",
            number,
            whole,
            records(("part_name", "mask"), list(parts.items())) if parts else np.zeros((0, 0)),
        )
        for number, parts in things
    ]
    fields = ("class", "class_ind", "mask", "parts")
    return records(("imname", "objects"), [("picture", records(fields, objects))])


def taskonomy(folder: Path, views: int = 3) -> Path:
    """Four buildings with `list_views` pictures each, one of them left out by the released code."""
    rows = ["id,train,val,test", *(f"{name},{parts}" for name, parts in SCENES.items())]
    put(
        folder / "splits_taskonomy" / "train_val_test_medium.csv",
        "\n".join(rows).encode() + b"\n",
    )
    for scene in SCENES:
        for view in range(views):
            for part, content in taskonomy_files(view).items():
                name = f"point_{view}_view_0_domain_{part}"
                ending = "npy" if part in CLASSES else "png"
                put(folder / part / "taskonomy" / scene / f"{name}.{ending}", content)
    return folder


def taskonomy_files(view: int) -> dict[str, bytes]:
    """Task -> file of one picture; all numbers tell the view."""
    sixteen = {part: png(np.full(SIZE, 1000 + view, np.uint16)) for part in SIXTEEN}
    grey = {part: png(np.full(SIZE, 51 + view, np.uint8)) for part in GREY}
    colours = {part: png(np.full((*SIZE, 3), 10 * view % 250, np.uint8)) for part in COLOURS}
    classes = {
        part: npy(np.eye(1, count, view, dtype=np.float32)[0]) for part, count in CLASSES.items()
    }
    keypoints3d = {"keypoints3d": png(np.full(SIZE, 2**15, np.uint16))}
    return sixteen | grey | colours | classes | keypoints3d


def pascal(folder: Path, pictures: int = 3) -> Path:
    """`pictures` to train and one to validate; the first has no file in semseg/VOC12."""
    names = [f"2008_{index:06}" for index in range(pictures + 1)]
    for split, part in {"train": names[:-1], "val": names[-1:]}.items():
        put(folder / f"ImageSets/Context/{split}.txt", "".join(f"{n}\n" for n in part).encode())
    for index, name in enumerate(names):
        for file, content in pascal_files(name, voc=index > 0).items():
            put(folder / file, content)
    return folder


def pascal_files(name: str, *, voc: bool) -> dict[str, bytes]:
    """File -> content of one picture."""
    left = np.zeros(SIZE, np.uint8)
    left[:, :3] = 1
    semseg = np.where(left == 1, 15, 255).astype(np.uint8)
    head, foot = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8)
    head[0, :3], foot[3, :3] = 1, 1
    people = anno([(15, {"head": head, "lfoot": foot}), (8, {})], SIZE)
    return {
        f"JPEGImages/{name}.jpg": jpg(np.full((*SIZE, 3), 128, np.uint8)),
        f"semseg/{'VOC12' if voc else 'pascal-context'}/{name}.png": png(semseg),
        f"human_parts/{name}.mat": mat(anno=people),
        f"sal_distill/{name}.png": png(np.where(left == 1, 200, 127).astype(np.uint8)),
        f"pascal-context/trainval/{name}.mat": mat(LabelMap=np.where(left == 1, 308, 440)),
        f"normals_distill/{name}.png": png(np.full((*SIZE, 3), (128, 0, 128), np.uint8)),
    }


def nyuv2(folder: Path, pictures: int = 3) -> Path:
    """`pictures` to train and one to validate."""
    for split, count in {"train": pictures, "val": 1}.items():
        for index in range(count):
            for part, array in nyuv2_arrays(index).items():
                put(folder / split / part / f"{index}.npy", npy(array))
    return folder


def nyuv2_arrays(index: int) -> dict[str, np.ndarray]:
    """Folder -> array of one picture; the first column has no labels."""
    label = np.full(SIZE, index % 13, np.float32)
    depth = np.full((*SIZE, 1), 2.5 + index, np.float32)
    normal = np.full((*SIZE, 3), (0.0, -1.0, 0.0), np.float32)
    label[:, 0], depth[:, 0], normal[:, 0] = -1, 0, 0
    return {
        "image": np.full((*SIZE, 3), 0.2, np.float32),
        "label": label,
        "depth": depth,
        "normal": normal,
    }
