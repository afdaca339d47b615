"""Files of published weights: pickles of tensors alone, and safetensors written as they come."""

import json
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

SAFETENSORS_TYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}


def open_pickled_tensors(path: Path) -> Mapping[str, Tensor]:
    """Return the tensors of a file, which stay on the disk until they are used.

    Raises ValueError for a file that holds anything else: nothing but tensors is unpickled.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"{path} cannot be read as tensors alone ({reason}): give the published "
            f"{path.name}; nothing else in a pickled file is loaded"
        ) from None
    if not isinstance(found, Mapping) or not all(
        isinstance(each, Tensor) for each in found.values()
    ):
        raise ValueError(
            f"{path} is no mapping of names to tensors: give the published {path.name}"
        )
    return found


def write_safetensors(
    path: Path,
    layout: Mapping[str, tuple[torch.dtype, tuple[int, ...]]],
    tensors: Iterator[tuple[str, Tensor]],
) -> None:
    """Write tensors as they come, in the order of `layout`; safetensors' own writer takes all.

    Raises ValueError for a tensor of another name, dtype or shape than `layout` says.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, (dtype, shape) in layout.items():
        start, end = end, end + dtype.itemsize * torch.Size(shape).numel()
        kind = SAFETENSORS_TYPES[dtype]
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for (name, (dtype, shape)), (found, tensor) in zip(layout.items(), tensors, strict=True):
            if (found, tensor.dtype, tuple(tensor.shape)) != (name, dtype, shape):
                raise ValueError(
                    f"{found} is {tensor.dtype} {tuple(tensor.shape)}, and {name} of {dtype} "
                    f"{shape} is due: the checkpoint's shapes are not those of the base model"
                )
            file.write(tensor.contiguous().view(torch.uint8).numpy().data)
