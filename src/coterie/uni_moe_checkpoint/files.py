"""The tensors of published files under the names of the released code, read one by one."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from coterie.published_weights import SAFETENSORS_TYPES, open_pickled_tensors

Renaming = Callable[[list[str]], list[str]]
"""From all names in a file to a name for each."""


class TensorFiles(Mapping[str, Tensor]):
    """Tensors by their names in files; each stays on the disk until it is asked for."""

    def __init__(self) -> None:
        self._sources: dict[str, tuple[Callable[[str], Tensor], str, torch.dtype]] = {}
        self._files = ExitStack()

    def add(self, path: Path, rename: Renaming = list) -> None:
        """Add the tensors of a file; those of the same name take the place of earlier ones."""
        if path.suffix == ".safetensors":
            file: Any = self._files.enter_context(safe_open(path, framework="pt"))
            types = {text: dtype for dtype, text in SAFETENSORS_TYPES.items()}
            dtypes = {name: types[file.get_slice(name).get_dtype()] for name in file.keys()}
            get = file.get_tensor
        else:
            tensors = open_pickled_tensors(path)
            dtypes = {name: each.dtype for name, each in tensors.items()}
            get = tensors.__getitem__
        for name, plain in zip(dtypes, rename(list(dtypes)), strict=True):
            self._sources[plain] = (get, name, dtypes[name])

    def drop(self, name: str) -> None:
        """Leave a tensor out."""
        del self._sources[name]

    def get_dtype(self, name: str) -> torch.dtype:
        """Return the dtype of a tensor without reading it."""
        return self._sources[name][2]

    def __getitem__(self, name: str) -> Tensor:
        get, own, _ = self._sources[name]
        return get(own)

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)


def strip_wrappers(names: list[str]) -> list[str]:
    """Return the names without PEFT's, as the released code does: `base_model.`, then `model.`.

    The second is removed only if a name starts with `model.model.`.
    """
    plain = [name.removeprefix("base_model.") for name in names]
    if any(name.startswith("model.model.") for name in plain):
        plain = [name.removeprefix("model.") for name in plain]
    return plain


def list_weight_files(folder: Path) -> list[Path]:
    """List the weights of a model in a folder: its safetensors, or else its pickles.

    Raises ValueError if there are none.
    """
    found = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    if not found:
        raise ValueError(
            f"{folder} has no *.safetensors and no pytorch_model*.bin: give the folder of the "
            "published base model"
        )
    return found


def find_file(folder: Path, name: str) -> Path:
    """Return a file of a folder, or raise ValueError if it is not there."""
    path = folder / name
    if not path.is_file():
        raise ValueError(f"{path} is not there: give a folder that has it")
    return path
