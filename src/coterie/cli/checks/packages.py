"""Checks of the packages that coterie requires: installed, and within the allowed versions."""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from importlib.util import find_spec

from packaging.requirements import Requirement

from coterie.cli.checks import Check

# Developers' tools; users do not need them.
IGNORED_EXTRAS = ("dev",)
# Each breaks `import transformers` if it was built for another torch.
CONFLICTING_PACKAGES = ("torchvision", "timm")


def check_packages() -> Iterator[Check]:
    """Check Python, the required packages, the extras, and packages known to conflict."""
    yield Check("python", "ok", f"{sys.version.partition(' ')[0]} at {sys.executable}")
    wanted = [Requirement(text) for text in requires("coterie") or ()]
    yield from check_core_packages(wanted)
    extras = metadata("coterie").get_all("Provides-Extra") or []
    names = [name for name in extras if name not in IGNORED_EXTRAS]
    yield from check_extras(wanted, names)
    yield from check_conflicting_packages()


def check_core_packages(wanted: Iterable[Requirement]) -> Iterator[Check]:
    """Check each required package; broken if missing or out of bounds."""
    for each in wanted:
        if each.marker is not None and not each.marker.evaluate({"extra": ""}):
            continue
        if fault := find_package_fault(each):
            yield Check(each.name, "broken", fault, f"pip install '{each.name}{each.specifier}'")
        else:
            details = f"{get_installed_version(each.name)} (allowed: {each.specifier or 'any'})"
            yield Check(each.name, "ok", details)


def check_extras(wanted: Iterable[Requirement], names: Iterable[str]) -> Iterator[Check]:
    """Check each extra; off if a package of it is missing or out of bounds."""
    optional = [each for each in wanted if each.marker and not each.marker.evaluate({"extra": ""})]
    for name in names:
        group = [each for each in optional if each.marker and each.marker.evaluate({"extra": name})]
        said = {each.name: find_package_fault(each) for each in group}
        if any(said.values()):
            faults = "; ".join(f"{package} {fault}" for package, fault in said.items() if fault)
            yield Check(f"extra {name}", "off", faults, f"pip install 'coterie[{name}]'")
        else:
            versions = "; ".join(f"{package} {get_installed_version(package)}" for package in said)
            yield Check(f"extra {name}", "ok", versions)


def find_package_fault(wanted: Requirement) -> str:
    """Return what is wrong with a package; empty if it is installed and within its bounds."""
    have = get_installed_version(wanted.name)
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


def check_conflicting_packages() -> Iterator[Check]:
    """Check torchvision and timm, which are not required and can break transformers."""
    for name in CONFLICTING_PACKAGES:
        if find_spec(name) is None:
            yield Check(name, "ok", "not installed, and not needed")
        elif error := try_import(name):
            details = f"does not import beside this torch ({error}), which breaks transformers"
            advice = f"pip uninstall {name}, or install the build made for this torch"
            yield Check(name, "broken", details, advice)
        else:
            yield Check(name, "ok", "imports beside this torch")


def try_import(name: str) -> str:
    """Return the last line of the error of importing a module; empty for success.

    In a separate process, because a broken extension can crash it.
    """
    done = subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True, text=True)
    lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    return lines[-1] if done.returncode else ""
