"""Source files without their namesake test, and the list of reasons for those that need none."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from structure.source import SourceFile

REASONS = "tools/untested_files.txt"


def namesakes(path: str, folder: str) -> tuple[str, ...]:
    """The files in `folder` that may be the test of src/PACKAGE/a/b.py: FOLDER/a/test_b.py.

    For src/PACKAGE/a/__init__.py they are FOLDER/a/test_init.py and FOLDER/a/test_a.py.

    Args:
        path: the source file, relative to the repository.
        folder: where the package's tests are, such as "tests" or "tests/demo".
    """
    inside = PurePosixPath(*PurePosixPath(path).parts[2:])
    is_package = inside.stem == "__init__"
    stems = ("init", PurePosixPath(path).parent.name) if is_package else (inside.stem,)
    return tuple((PurePosixPath(folder) / inside.parent / f"test_{n}.py").as_posix() for n in stems)


def needs_test(file: SourceFile) -> bool:
    """False for an `__init__.py` of docstrings, imports and `__all__` only."""
    return not file.is_package or any(not _is_plain(node) for node in file.tree.body)


def read_reasons(text: str) -> dict[str, str]:
    """Path -> reason, from lines "path: reason"; blank lines and lines from # on are skipped.

    Raises:
        ValueError: a line without a reason, or a path that is listed twice.
    """
    reasons: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        path, _, reason = (part.strip() for part in line.partition(":"))
        if not reason:
            raise ValueError(f"{REASONS}:{number}: {line!r} has no reason: write 'path: reason'")
        if path in reasons:
            raise ValueError(f"{REASONS}:{number}: {path} is listed twice: delete one line")
        reasons[path] = reason
    return reasons


def find_untested(root: Path, files: Iterable[SourceFile], folder: str) -> tuple[str, ...]:
    """Paths of the files that need a test in `folder` and have none."""
    return tuple(
        file.path
        for file in files
        if needs_test(file)
        and not any((root / test).is_file() for test in namesakes(file.path, folder))
    )


def check_reasons(reasons: Mapping[str, str], untested: Iterable[str], root: Path) -> Iterator[str]:
    """What is wrong: untested files without a reason, and reasons that nothing needs any more."""
    untested = set(untested)
    for path in sorted(untested - set(reasons)):
        yield f"{path}: no namesake test; write it, or give a reason in {REASONS}"
    for path in sorted(set(reasons) - untested):
        why = "it has a test or needs none" if (root / path).is_file() else "there is no such file"
        yield f"{REASONS}: {path}: {why}; delete the line"


def _is_plain(node: ast.stmt) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Assign(targets=[ast.Name(id="__all__")]):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return all(_is_plain(each) for each in node.body)
        case _:
            return False
