"""Checks of the packages that coterie requires: installed, and within the allowed versions."""

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from importlib.util import find_spec

from packaging.requirements import Requirement

from coterie.cli.checks.check import Check

# Developers' tools; users do not need them.
IGNORED_EXTRAS = ("dev",)
# Each breaks `import transformers` if it was built for another torch.
CONFLICTING_PACKAGES = ("torchvision", "timm")


def check_packages() -> Iterator[Check]:
    """Check Python, the required packages, the extras, and packages known to conflict."""
    details = sys.version.partition(" ")[0]
    yield Check(subject="python", status="ok", details=f"{details} at {sys.executable}")
    wanted = [Requirement(text) for text in requires("coterie") or ()]
    yield from check_core_packages(wanted, get_installed_version)
    names = metadata("coterie").get_all("Provides-Extra") or []
    yield from check_extras(
        wanted, [name for name in names if name not in IGNORED_EXTRAS], get_installed_version
    )
    yield from check_conflicting_packages(find_spec, try_import)


def check_core_packages(
    wanted: Iterable[Requirement], found: Callable[[str], str | None]
) -> Iterator[Check]:
    """Check each required package; broken if missing or out of bounds."""
    for each in wanted:
        if each.marker is not None and not each.marker.evaluate({"extra": ""}):
            continue
        if fault := find_package_fault(each, found):
            line = f"pip install '{each.name}{each.specifier}'"
            yield Check(subject=each.name, status="broken", details=fault, advice=line)
        else:
            details = f"{found(each.name)} (allowed: {each.specifier or 'any'})"
            yield Check(subject=each.name, status="ok", details=details)


def check_extras(
    wanted: Iterable[Requirement], names: Iterable[str], found: Callable[[str], str | None]
) -> Iterator[Check]:
    """Check each extra; off if a package of it is missing or out of bounds."""
    optional = [each for each in wanted if each.marker and not each.marker.evaluate({"extra": ""})]
    for name in names:
        group = [each for each in optional if each.marker and each.marker.evaluate({"extra": name})]
        faults = [
            f"{each.name} {fault}" for each in group if (fault := find_package_fault(each, found))
        ]
        yield Check(
            subject=f"extra {name}",
            status="off" if faults else "ok",
            details="; ".join(faults or [f"{each.name} {found(each.name)}" for each in group]),
            advice=f"pip install 'coterie[{name}]'" if faults else "",
        )


def find_package_fault(wanted: Requirement, found: Callable[[str], str | None]) -> str:
    """Return what is wrong with a package; empty if it is installed and within its bounds."""
    have = found(wanted.name)
    if have is None:
        return "is not installed"
    # A local version, as in 2.13.0+cpu, does not count for a bound.
    if not wanted.specifier.contains(have.partition("+")[0], prereleases=True):
        return f"is {have}, and {wanted.specifier} is needed"
    return ""


def get_installed_version(name: str) -> str | None:
    """Return the installed version; None if there is none."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def check_conflicting_packages(
    there: Callable[[str], object], imports: Callable[[str], str]
) -> Iterator[Check]:
    """Check torchvision and timm, which are not required and can break transformers."""
    for name in CONFLICTING_PACKAGES:
        if there(name) is None:
            yield Check(subject=name, status="ok", details="not installed, and not needed")
        elif error := imports(name):
            yield Check(
                subject=name,
                status="broken",
                details=f"does not import beside this torch ({error}), which breaks transformers",
                advice=f"pip uninstall {name}, or install the build made for this torch",
            )
        else:
            yield Check(subject=name, status="ok", details="imports beside this torch")


def try_import(name: str) -> str:
    """Return the last line of the error of importing a module; empty for success.

    In a separate process, because a broken extension can crash it.
    """
    done = subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True, text=True)
    lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    return lines[-1] if done.returncode else ""
