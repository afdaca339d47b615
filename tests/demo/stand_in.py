"""A package client that is a few lines of Python: what the real ones do, without a network."""

import hashlib
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

from coterie_demo.clients import PackageClient
from coterie_demo.download import RegistryPackage


class StandIn(PackageClient):
    """Runs `script` in the folder that the package is to be put into."""

    name = "stand-in"
    missing = "the stand-in is not installed: write one"
    unknown = "see that the stand-in knows it"

    def __init__(self, script: str, program: str = sys.executable) -> None:
        self.script = script
        self.program = program

    def build_command(self, name: str, version: str) -> list[str]:
        return [self.program, "-c", self.script]

    def unpack(self, file: Path, to: Path) -> None:
        with zipfile.ZipFile(file) as archive:
            archive.extractall(to)


def package(
    client: PackageClient, content: bytes = b"words", *, size_bytes: int = 5
) -> RegistryPackage:
    return RegistryPackage(
        client=client,
        name="thing",
        version="1.0",
        file="thing-1.0.txt",
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=size_bytes,
        licence="MIT",
        description="the thing",
    )


def wheel(tmp: Path, files: Mapping[str, bytes]) -> RegistryPackage:
    """A package whose client copies a zip file with `list_files` into place."""
    made = tmp / "made.zip"
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    copy = f"import shutil; shutil.copyfile({str(made)!r}, 'thing-1.0.txt')"
    return package(StandIn(copy), made.read_bytes())
