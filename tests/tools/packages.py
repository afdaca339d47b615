"""Small packages written into a folder."""

from collections.abc import Mapping
from pathlib import Path

from structure.source import SourceFile, read_package


def write_package(root: Path, files: Mapping[str, str], name: str = "coterie") -> Path:
    """Write src/NAME with `files` (path below it -> text) and an `__init__.py` in each folder."""
    package = root / "src" / name
    for path, text in files.items():
        file = package / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    for folder in {package, *(file.parent for file in package.rglob("*.py"))}:
        (folder / "__init__.py").touch()
    return root


def read(root: Path, files: Mapping[str, str]) -> tuple[SourceFile, ...]:
    """The files of a package that is written first."""
    return read_package(write_package(root, files), "coterie")
