"""The measures of the structure, each with its limit and what breaks it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from structure import cost, functions, imports, repeats, suppressions, untested
from structure.source import SourceFile, count_lines

PACKAGES = {"coterie": "tests", "coterie_demo": "tests/demo"}
"""Package in src -> folder of its tests."""
CORE = "coterie"

MAX_SUPPRESSIONS_PER_KLOC = 1.0
MAX_REPEATED_PER_KLOC = 3.0
MIN_TESTS_PER_SOURCE = 0.8
MAX_IMPORT_RATIO = 1.1
MAX_WHEEL_BYTES = 1_000_000
REFERENCE_IMPORT = "peft"

MAX_COMPLEXITY = 8
MAX_ARGUMENTS = 8
MAX_FUNCTION_LINES = 40
MAX_FILE_LINES = 250


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A number with its name, what stands behind it, and what breaks its limit.

    Attributes:
        name: what is measured.
        value: the number, as text.
        limit: the limit, as text; empty for none.
        items: the places that were counted.
        violations: a line each; empty where the limit holds or there is none.
    """

    name: str
    value: str
    limit: str = ""
    items: tuple[str, ...] = ()
    violations: tuple[str, ...] = ()


def measure_package(root: Path, files: Sequence[SourceFile], tests: str) -> Iterator[Measure]:
    """The measures of one package, whose tests are in the folder `tests`."""
    yield from _lines(files)
    yield from _imports(files)
    yield _repeated_classes(files)
    yield _suppressions(files)
    yield _repeated_runs(files)
    yield from _functions(files)
    yield _without_test(root, files, tests)


def measure_source(root: Path, packages: Sequence[Sequence[SourceFile]]) -> Iterator[Measure]:
    """The measures over all packages together."""
    files = [file for package in packages for file in package]
    if len(packages) > 1:
        yield _repeated_runs(files)
    yield _tests_per_source(root, files)
    yield _reasons(root, packages)


def measure_import_time(runs: int) -> Measure:
    """Median time of importing the package against that of peft, each in processes of its own."""
    ours, theirs = cost.time_imports(CORE, REFERENCE_IMPORT, runs=runs)
    ratio = ours / theirs
    value = f"{ratio:.2f} ({ours:.2f} s : {theirs:.2f} s, medians of {runs})"
    return _limited(
        f"import {CORE} : import {REFERENCE_IMPORT}",
        value,
        f"at most {MAX_IMPORT_RATIO}",
        holds=ratio <= MAX_IMPORT_RATIO,
    )


def measure_wheel(root: Path) -> Measure:
    """Size of the wheel, or why there is none."""
    name, limit = "wheel", f"at most {MAX_WHEEL_BYTES:,} bytes"
    try:
        size = cost.wheel_bytes(root)
    except RuntimeError as error:
        return Measure(name=name, value="not measured", limit=limit, violations=(str(error),))
    return _limited(name, f"{size:,} bytes", limit, holds=size <= MAX_WHEEL_BYTES)


def _limited(
    name: str, value: str, limit: str, *, holds: bool, items: tuple[str, ...] = ()
) -> Measure:
    """A measure whose number itself is within its limit or not."""
    broken = () if holds else (f"{name}: {value}; allowed: {limit}",)
    return Measure(name=name, value=value, limit=limit, items=items, violations=broken)


def _all_wrong(name: str, items: tuple[str, ...]) -> Measure:
    """A measure of which each item breaks the limit 0."""
    broken = tuple(f"{name}: {item}" for item in items)
    return Measure(name=name, value=str(len(items)), limit="0", items=items, violations=broken)


def _per_kloc(count: int, lines: int) -> float:
    return 1000 * count / max(1, lines)


def _lines(files: Sequence[SourceFile]) -> Iterator[Measure]:
    yield Measure(name="files", value=f"{len(files):,}")
    yield Measure(name="source lines", value=f"{_num_lines(files):,}")
    yield Measure(name="code lines", value=f"{_num_code_lines(files):,}")
    docstrings = sum(len(file.docstring_lines) for file in files)
    yield Measure(name="docstring lines", value=f"{docstrings:,}")
    long = tuple(
        f"{file.path}: {file.num_lines}" for file in files if file.num_lines > MAX_FILE_LINES
    )
    yield Measure(name=f"files over {MAX_FILE_LINES} lines", value=str(len(long)), items=long)


def _num_lines(files: Sequence[SourceFile]) -> int:
    return sum(file.num_lines for file in files)


def _num_code_lines(files: Sequence[SourceFile]) -> int:
    return sum(len(file.code_lines) for file in files)


def _imports(files: Sequence[SourceFile]) -> Iterator[Measure]:
    graph = imports.import_graph(files)
    for name, found in (
        ("import cycle of files", imports.find_cycles(graph)),
        ("import cycle of packages", imports.find_cycles(imports.package_graph(graph))),
    ):
        yield _all_wrong(name, tuple(" <-> ".join(cycle) for cycle in found))
    chain = imports.longest_chain(graph)
    yield Measure(
        name="longest import chain", value=f"{len(chain)} files", items=(" -> ".join(chain),)
    )


def _repeated_classes(files: Sequence[SourceFile]) -> Measure:
    found = functions.find_repeated_classes(files)
    items = tuple(f"{name}: {', '.join(places)}" for name, places in found.items())
    return _all_wrong("class name that stands twice", items)


def _suppressions(files: Sequence[SourceFile]) -> Measure:
    found = suppressions.find_suppressions(files)
    rate = _per_kloc(len(found), _num_lines(files))
    sorts = ", ".join(f"{n} {sort}" for sort, n in Counter(sort for _, sort in found).items())
    return _limited(
        "suppressions per 1000 source lines",
        f"{rate:.2f} ({len(found)}{': ' if sorts else ''}{sorts})",
        f"at most {MAX_SUPPRESSIONS_PER_KLOC}",
        holds=rate <= MAX_SUPPRESSIONS_PER_KLOC,
        items=tuple(f"{place}: {sort}" for place, sort in found),
    )


def _repeated_runs(files: Sequence[SourceFile]) -> Measure:
    found = repeats.find_repeated_pairs(files)
    rate = _per_kloc(len(found), _num_code_lines(files))
    return _limited(
        "repeated runs per 1000 code lines",
        f"{rate:.2f} ({len(found)} pairs)",
        f"at most {MAX_REPEATED_PER_KLOC}",
        holds=rate <= MAX_REPEATED_PER_KLOC,
        items=tuple(map(str, found)),
    )


def _functions(files: Sequence[SourceFile]) -> Iterator[Measure]:
    sizes = functions.measure_functions(files)
    yield Measure(name="functions", value=f"{len(sizes):,}")
    for what, limit, numbers in (
        ("complexity", MAX_COMPLEXITY, [size.complexity for size in sizes]),
        ("arguments", MAX_ARGUMENTS, [size.num_arguments for size in sizes]),
        ("lines", MAX_FUNCTION_LINES, [size.num_lines for size in sizes]),
    ):
        over = tuple(
            f"{size.place}: {number}"
            for size, number in zip(sizes, numbers, strict=True)
            if number > limit
        )
        yield Measure(name=f"functions over {limit} {what}", value=str(len(over)), items=over)


def _without_test(root: Path, files: Sequence[SourceFile], tests: str) -> Measure:
    missing = untested.find_untested(root, files, tests)
    count = sum(map(untested.needs_test, files))
    return Measure(
        name="files without their namesake test", value=f"{len(missing)} of {count}", items=missing
    )


def _tests_per_source(root: Path, files: Sequence[SourceFile]) -> Measure:
    tests, source = count_lines((root / "tests").rglob("*.py")), _num_lines(files)
    ratio = tests / max(1, source)
    return _limited(
        "test lines : source lines",
        f"{ratio:.2f} ({tests:,} : {source:,})",
        f"at least {MIN_TESTS_PER_SOURCE}",
        holds=ratio >= MIN_TESTS_PER_SOURCE,
    )


def _reasons(root: Path, packages: Sequence[Sequence[SourceFile]]) -> Measure:
    missing = [
        path
        for files in packages
        for path in untested.find_untested(root, files, PACKAGES[files[0].module.split(".")[0]])
    ]
    name, file = "untested files without a reason, and reasons for none", root / untested.REASONS
    try:
        reasons = untested.read_reasons(file.read_text("utf-8") if file.is_file() else "")
    except ValueError as error:
        return _all_wrong(name, (str(error),))
    broken = tuple(untested.check_reasons(reasons, missing, root))
    return Measure(name=name, value=str(len(broken)), limit="0", violations=broken)
