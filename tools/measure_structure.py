"""Measures the structure of the source: cycles, repeated names and code, suppressions, tests, size.

    python tools/measure_structure.py                # every measure, with what stands behind it
    python tools/measure_structure.py --check        # exit 1 and a line a violation of a limit
    python tools/measure_structure.py --check --leave repeated --leave untested      # all but these
    python tools/measure_structure.py --import-time --wheel    # these too; they take a while

What exactly is counted stands in the docstrings of tools/structure/. Measures without a limit here
are for reading; ruff and import-linter hold the limits on complexity, arguments and layers.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from structure import measures
from structure.measures import PACKAGES, Measure
from structure.source import read_package


def show(found: Sequence[Measure], *, most: int) -> None:
    """Print each measure, and of what stands behind it the first `most` items."""
    for measure in found:
        limit = f"   [limit: {measure.limit}]" if measure.limit else ""
        mark = "!" if measure.violations else " "
        print(f"{mark} {measure.name}: {measure.value}{limit}")
        items = measure.items or measure.violations
        for item in items[:most]:
            print(f"      {item}")
        if most and len(items) > most:
            print(f"      ... and {len(items) - most} more (--most)")


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="exit 1, a line a violation")
    parser.add_argument("--leave", action="append", default=[], metavar="WORD",
                        help="--check passes measures with this word in their name")  # fmt: skip
    parser.add_argument("--most", type=int, default=5, help="items to list of a measure (5)")
    parser.add_argument("--import-time", action="store_true", help="time the import against peft")
    parser.add_argument("--runs", type=int, default=7, help="of --import-time (7)")
    parser.add_argument("--wheel", action="store_true", help="build the wheel and weigh it")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[1],
                        help="the repository (that of this script)")  # fmt: skip
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script; returns its exit status."""
    given = _arguments(arguments)
    packages = {name: read_package(given.root, name) for name in PACKAGES}
    packages = {name: files for name, files in packages.items() if files}
    if not packages:
        print(f"{given.root}/src has none of {', '.join(PACKAGES)}: give --root", file=sys.stderr)
        return 2
    sections = {
        f"src/{name}": list(measures.measure_package(given.root, files, PACKAGES[name]))
        for name, files in packages.items()
    }
    sections["together"] = list(measures.measure_source(given.root, list(packages.values())))
    if given.import_time:
        sections["together"].append(measures.measure_import_time(given.runs))
    if given.wheel:
        sections["together"].append(measures.measure_wheel(given.root))
    if given.check:
        broken = [f"{section}: {line}" for section, found in sections.items()
                  for measure in found if not any(word in measure.name for word in given.leave)
                  for line in measure.violations]  # fmt: skip
        print(*broken, sep="\n", end="\n" if broken else "")
        return int(bool(broken))
    for section, found in sections.items():
        print(f"\n{section}")
        show(found, most=given.most)
    return 0


if __name__ == "__main__":
    sys.exit(main())
