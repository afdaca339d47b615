"""Pack what a bare machine with a GPU and no network needs for `benchmarks/gpu_check.sh`.

`python tools/pack_gpu.py build/gpu --python 3.12 --present numpy scipy`: wheels of coterie, of its
dependencies and of the tests', in the versions of constraints.txt, without torch and what comes
with it; the embedded vision model, in bfloat16; rendered scenes. With `--experiments` the embedded
model of all modalities and its data too, for `experiments.tagged` and `experiments.uni_moe`.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
WANTED = (
    "coterie[data,train,evaluate,report]",
    *("beartype", "hypothesis", "num2words", "pytest", "pytest-xdist", "sybil"),
    *("bitsandbytes", "torchao"),
)
COMES_WITH_TORCH = {"torch", "triton", "setuptools", "sympy", "networkx", "mpmath", "fsspec"}
OWN = {"coterie", "coterie-demo"}
# pip matches a platform's tag exactly.
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in (17, 24, 27, 28, 31, 34, 35)]
PLATFORMS += ["manylinux1_x86_64", "manylinux2014_x86_64"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where to")
    parser.add_argument("--python", default="3.12", help="version of the machine's Python")
    parser.add_argument("--present", nargs="*", default=[], help="packages that it has")
    parser.add_argument("--cuda", default="130", help="version of CUDA there, for bitsandbytes")
    parser.add_argument("--scenes", type=int, default=400, help="images to render")
    parser.add_argument("--experiments", action="store_true", help="400 MB more")
    given = parser.parse_args()
    folder = given.folder
    folder.mkdir(parents=True, exist_ok=True)
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    )
    (folder / "commit.txt").write_text(commit.stdout)
    pack_home(folder / "home", given.scenes)
    if given.experiments:
        pack_embedded(folder / "home")
    skip = COMES_WITH_TORCH | OWN | {normalize(name) for name in given.present}
    pack_wheels(folder / "wheels", sorted(collect(WANTED) - skip), given.python)
    for wheel in (folder / "wheels").glob("bitsandbytes-*.whl"):
        keep_library(wheel, f"libbitsandbytes_cuda{given.cuda}.so")
    size = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
    print(f"{folder}: {size / 2**20:.0f} MiB")


def normalize(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def collect(wanted: tuple[str, ...]) -> set[str]:
    """Return the names of all packages that these need, as installed here."""
    found: set[str] = set()
    todo = [Requirement(each) for each in wanted]
    seen: set[str] = set()
    while todo:
        needed = todo.pop()
        if str(needed) in seen:
            continue
        seen.add(str(needed))
        name = normalize(needed.name)
        try:
            known = distribution(name)
        except PackageNotFoundError:
            continue  # for another platform or Python
        found.add(name)
        extras = {"", *needed.extras}
        if name in COMES_WITH_TORCH:
            continue
        for text in known.requires or ():
            each = Requirement(text)
            if each.marker is None or any(each.marker.evaluate({"extra": e}) for e in extras):
                todo.append(each)
    return found


def pack_wheels(folder: Path, names: list[str], python: str) -> None:
    """Download wheels for the machine; build what has none there, in pure Python, and coterie."""
    shutil.rmtree(folder, ignore_errors=True)
    pip = [sys.executable, "-m", "pip"]
    platforms = [part for each in PLATFORMS for part in ("--platform", each)]
    download = [
        *(*pip, "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(folder)),
        *("--python-version", python, "--implementation", "cp", *platforms),
    ]
    build = [*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
    for name in names:
        pin = f"{name}=={distribution(name).version}"
        if subprocess.run([*download, pin], capture_output=True, check=False).returncode:
            subprocess.run([*build, pin], check=True)
            made = max(folder.iterdir(), key=lambda file: file.stat().st_mtime)
            if not made.name.endswith("-none-any.whl"):
                sys.exit(f"{pin} has no wheel for Python {python}, and {made.name} is for this one")
    subprocess.run([*build, str(ROOT), str(ROOT / "src" / "coterie_demo")], check=True)


def keep_library(wheel: Path, name: str) -> None:
    """Remove a wheel's libraries for other versions of CUDA: nine tenths of its size."""
    with ZipFile(wheel) as opened:
        files = {each: opened.read(each) for each in opened.namelist()}
    libraries = {each for each in files if each.endswith(".so") and "_cpu" not in each}
    dropped = {each for each in libraries if not each.endswith(f"/{name}")}
    if dropped == libraries:
        sys.exit(f"{wheel.name} has no {name}: give --cuda one of {sorted(libraries)}")
    with ZipFile(wheel, "w", ZIP_DEFLATED) as opened:
        for each, content in files.items():
            if each.endswith(".dist-info/RECORD"):
                lines = content.decode().splitlines(keepends=True)
                content = "".join(x for x in lines if x.split(",")[0] not in dropped).encode()
            if each not in dropped:
                opened.writestr(each, content)


def pack_home(folder: Path, scenes: int) -> None:
    """Write a cache folder with the vision model and scenes, a fresh one or one that goes on."""
    from coterie_demo.fetch import fetch_weights
    from coterie_demo.scenes import make_scenes

    copy_in_bfloat16(fetch_weights() / "vision", folder / "weights" / "vision")
    make_scenes(folder / "scenes", scenes, workers=os.cpu_count() or 1)


def pack_embedded(folder: Path) -> None:
    """Add the embedded model, in bfloat16, and the pantry to a cache folder."""
    from coterie_demo.fetch import fetch_omni, fetch_pantry

    copy_in_bfloat16(fetch_omni(), folder / "omni")
    shutil.copytree(fetch_pantry(), folder / "pantry", dirs_exist_ok=True)


def copy_in_bfloat16(source: Path, target: Path) -> None:
    """Copy a model's folder, unless it is there."""
    import torch
    from safetensors.torch import load_file, save_file

    from coterie_demo.locations import MODEL

    if target.is_dir():
        return
    shutil.copytree(source, target)
    weights = load_file(source / MODEL)
    half = {
        name: each.to(torch.bfloat16) if each.is_floating_point() else each
        for name, each in weights.items()
    }
    save_file(half, target / MODEL, metadata={"format": "pt"})


if __name__ == "__main__":
    main()
