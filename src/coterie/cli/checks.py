"""The checks of `coterie doctor`: required packages, this machine, the library, its folder."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

from coterie.paths import get_cache_dir

# Developers' tools; users do not need them.
IGNORED_EXTRAS = ("dev",)
# Each is optional; the first two break `import transformers` if built for another torch.
FAMILY_PACKAGES = ("torchvision", "timm", "num2words")
# What is lost without them besides the families of coterie.families that declare them.
LOST = {
    "torchvision": "images are prepared with Pillow, videos cannot be",
    "timm": "gemma3n, whose vision tower is timm's, cannot be loaded",
}
GIB = 1024**3
# Linux's names of the instructions that multiply bfloat16; without them it is emulated.
BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16", "svebf16"}
FLAGS = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Check:
    """A finding of `coterie doctor` on a package or resource.

    `status` is "ok"; "off" for what only some subcommands need; "broken" for what all need.
    `details` are the facts found on this machine; `advice` is empty if nothing is needed.
    """

    subject: str
    status: Literal["ok", "off", "broken"]
    details: str
    advice: str = ""

    def format(self) -> str:
        """Return the finding as one line, with any advice as a second."""
        advice = f"\n{'':8}-> {self.advice}" if self.advice else ""
        return f"{self.status:8}{self.subject}: {self.details}{advice}"


def check_packages() -> Iterator[Check]:
    """Check Python, the required packages and the extras."""
    yield Check("python", "ok", f"{sys.version.partition(' ')[0]} at {sys.executable}")
    wanted = [Requirement(text) for text in requires("coterie") or ()]
    yield from check_core_packages(wanted)
    extras = metadata("coterie").get_all("Provides-Extra") or []
    names = [name for name in extras if name not in IGNORED_EXTRAS]
    yield from check_extras(wanted, names)


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


def check_families() -> Iterator[Check]:
    """Check the packages that some model families need, and name those families."""
    try:
        from coterie.families.base import find_packages
    except Exception:  # check_library says why
        return
    needed_by = find_packages()
    for name in FAMILY_PACKAGES:
        families = ", ".join(needed_by.get(name, ()))
        if find_spec(name) is None:
            lost = [LOST[name]] if name in LOST else []
            lost += [f"{families} cannot be loaded"] if families else []
            details = "; ".join(["not installed", *lost])
            yield Check(name, "off", details, "pip install 'coterie[families]'")
        elif error := try_import(name):
            details = f"does not import beside this torch ({error}), which breaks transformers"
            advice = f"pip uninstall {name}, or install the build made for this torch"
            yield Check(name, "broken", details, advice)
        else:
            needs = f"; {families} cannot be loaded without" if families else ""
            yield Check(name, "ok", f"imports beside this torch{needs}")


def try_import(name: str) -> str:
    """Return the last line of the error of importing a module; empty for success.

    In a separate process, because a broken extension can crash it.
    """
    done = subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True, text=True)
    lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    return lines[-1] if done.returncode else ""


def check_machine() -> Iterator[Check]:
    """Check processor, memory and disk."""
    import psutil

    memory = psutil.virtual_memory()
    details = f"{count_cores()} cores for this process, {platform.machine()}, {platform.system()}"
    yield Check("processor", "ok", details)
    details = f"{memory.total / GIB:.1f} GiB, {memory.available / GIB:.1f} of them free"
    yield Check("memory", "ok", details)
    free_gib = get_free_disk_bytes(Path.cwd()) / GIB
    yield Check("disk", "ok", f"{free_gib:.1f} GiB free where you are")
    yield Check("bfloat16", "ok", check_bfloat16(read_cpu_flags()))


def check_home() -> Iterator[Check]:
    """Check the folder of downloads and caches."""
    folder = get_cache_dir()
    free_gib = get_free_disk_bytes(folder) / GIB
    yield Check("home", "ok", f"{folder}, {free_gib:.1f} GiB free there")


def count_cores() -> int:
    """Return the number of processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux has it
        return os.cpu_count() or 1


def get_free_disk_bytes(folder: Path) -> int:
    """Return the free bytes of the disk that a folder is, or would be, on."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def read_cpu_flags() -> set[str] | None:
    """Return the processor's instruction sets; None if the system does not list them."""
    text = FLAGS.read_text(encoding="utf-8", errors="replace") if FLAGS.is_file() else ""
    lines = (line for line in text.splitlines() if line.lower().startswith(("flags", "feat")))
    return next((set(line.partition(":")[2].split()) for line in lines), None)


def check_bfloat16(flags: set[str] | None) -> str:
    """Describe whether the processor has instructions for bfloat16."""
    if flags is None:
        return "this system does not say whether the processor has instructions for it"
    if have := sorted(flags & BFLOAT16):
        return f"the processor has instructions for it ({', '.join(have)})"
    return "the processor has no instructions for it, so it is emulated"


def check_library(load: Callable[[], None]) -> Iterator[Check]:
    """Check that the library imports, and list the GPUs that torch sees.

    Args:
        load: imports the library's package, if the entry point did not.
    """
    try:
        import torch

        import coterie

        load()
    except Exception as error:  # any exception of a broken install is reported
        details = f"does not import: {type(error).__name__}: {str(error).strip()}"
        advice = "mend the lines above, or install coterie into a fresh environment"
        yield Check("coterie", "broken", details, advice)
        return
    yield Check("coterie", "ok", f"imports; it lies in {coterie.__path__[0]}")
    count = torch.cuda.device_count()
    for index in range(count):
        card = torch.cuda.get_device_properties(index)
        yield Check(f"gpu {index}", "ok", f"{card.name}, {card.total_memory / GIB:.1f} GiB")
    from coterie.devices import describe_device, list_devices

    others = [each for each in list_devices() if each.type not in ("cpu", "cuda")]
    for each in others:
        yield Check(f"gpu {each.index}", "ok", describe_device(each))
    if not count and not others:
        details = f"none that torch {torch.__version__} can use; models run on the processor"
        yield Check("gpu", "ok", details)
