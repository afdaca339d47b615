"""Which of the packages that coterie names are installed, and within the bounds it gives."""

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from importlib.util import find_spec

from packaging.requirements import Requirement

from coterie.cli.finding import Finding

# Developers' tools; a user misses nothing without them.
LEFT_OUT = ("dev",)
# Each breaks `import transformers` where it was built for another torch.
TRAPS = ("torchvision", "timm")


def packages() -> Iterator[Finding]:
    """The findings on this Python, the packages coterie needs, its extras, and known traps."""
    said = sys.version.partition(" ")[0]
    yield Finding(what="python", state="ok", said=f"{said} at {sys.executable}")
    wanted = [Requirement(text) for text in requires("coterie") or ()]
    yield from core(wanted, installed)
    names = metadata("coterie").get_all("Provides-Extra") or []
    yield from extras(wanted, [name for name in names if name not in LEFT_OUT], installed)
    yield from traps(find_spec, imports)


def core(wanted: Iterable[Requirement], found: Callable[[str], str | None]) -> Iterator[Finding]:
    """A finding on each package that is always needed; broken if missing or out of bounds."""
    for each in wanted:
        if each.marker is not None and not each.marker.evaluate({"extra": ""}):
            continue
        if fault := fault_of(each, found):
            line = f"pip install '{each.name}{each.specifier}'"
            yield Finding(what=each.name, state="broken", said=fault, advice=line)
        else:
            said = f"{found(each.name)} (allowed: {each.specifier or 'any'})"
            yield Finding(what=each.name, state="ok", said=said)


def extras(
    wanted: Iterable[Requirement], names: Iterable[str], found: Callable[[str], str | None]
) -> Iterator[Finding]:
    """A finding on each extra; off if a package of it is missing or out of bounds."""
    optional = [each for each in wanted if each.marker and not each.marker.evaluate({"extra": ""})]
    for name in names:
        group = [each for each in optional if each.marker and each.marker.evaluate({"extra": name})]
        faults = [f"{each.name} {fault}" for each in group if (fault := fault_of(each, found))]
        yield Finding(
            what=f"extra {name}",
            state="off" if faults else "ok",
            said="; ".join(faults or [f"{each.name} {found(each.name)}" for each in group]),
            advice=f"pip install 'coterie[{name}]'" if faults else "",
        )


def fault_of(wanted: Requirement, found: Callable[[str], str | None]) -> str:
    """What is wrong with a package; empty if it is there and within its bounds."""
    have = found(wanted.name)
    if have is None:
        return "is not installed"
    # A build's own part, as in 2.13.0+cpu, counts for nothing in a bound.
    if not wanted.specifier.contains(have.partition("+")[0], prereleases=True):
        return f"is {have}, and {wanted.specifier} is needed"
    return ""


def installed(name: str) -> str | None:
    """The version that is installed; None if none is."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def traps(there: Callable[[str], object], imports: Callable[[str], str]) -> Iterator[Finding]:
    """A finding on torchvision and timm, which nothing here needs and which can break the rest."""
    for name in TRAPS:
        if there(name) is None:
            yield Finding(what=name, state="ok", said="not installed, and not needed")
        elif error := imports(name):
            yield Finding(
                what=name,
                state="broken",
                said=f"does not import beside this torch ({error}), which breaks transformers",
                advice=f"pip uninstall {name}, or install the build made for this torch",
            )
        else:
            yield Finding(what=name, state="ok", said="imports beside this torch")


def imports(name: str) -> str:
    """The last line of what importing a module says if it fails; empty if it does not.

    In a process of its own: a broken extension can take the process with it.
    """
    done = subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True, text=True)
    lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    return lines[-1] if done.returncode else ""
