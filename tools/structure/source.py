"""Source files of a package: text, syntax tree, and what each physical line is."""

import ast
import io
import tokenize
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

TRIVIA = frozenset(
    (
        tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
        tokenize.ENCODING, tokenize.ENDMARKER,
    )
)  # fmt: skip


@dataclass(frozen=True)
class SourceFile:
    """One Python file.

    Attributes:
        path: where it is, relative to the repository, with forward slashes.
        module: its dotted name; a package's `__init__.py` has the package's name.
        text: its contents.
    """

    path: str
    module: str
    text: str

    @property
    def is_package(self) -> bool:
        return self.path.endswith("__init__.py")

    @property
    def num_lines(self) -> int:
        return len(self.text.splitlines())

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, filename=self.path)

    @cached_property
    def tokens(self) -> tuple[tokenize.TokenInfo, ...]:
        return tuple(tokenize.generate_tokens(io.StringIO(self.text).readline))

    @cached_property
    def docstring_lines(self) -> frozenset[int]:
        """Lines of strings that stand as a statement, blank lines inside them included."""
        return frozenset(
            line for node in ast.walk(self.tree) if _is_docstring(node) for line in span(node)
        )

    @cached_property
    def import_lines(self) -> frozenset[int]:
        return frozenset(
            line
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for line in span(node)
        )

    @cached_property
    def code_lines(self) -> frozenset[int]:
        """Lines that hold a token other than a comment and are not in a docstring."""
        lines = {
            line
            for token in self.tokens
            if token.type not in TRIVIA
            for line in range(token.start[0], token.end[0] + 1)
        }
        return frozenset(lines - self.docstring_lines)

    @cached_property
    def comments(self) -> tuple[tuple[int, str], ...]:
        """(line, text) of each comment."""
        return tuple(
            (token.start[0], token.string)
            for token in self.tokens
            if token.type == tokenize.COMMENT
        )


def span(node: ast.AST) -> range:
    """The lines of a statement or expression."""
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)  # type: ignore[attr-defined]


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def read_package(root: Path, package: str) -> tuple[SourceFile, ...]:
    """All Python files of `root`/src/`package`, sorted by path; empty if there is none."""
    source = root / "src"
    return tuple(
        SourceFile(
            path=path.relative_to(root).as_posix(),
            module=module_name(path.relative_to(source)),
            text=path.read_text(encoding="utf-8"),
        )
        for path in sorted((source / package).rglob("*.py"))
    )


def module_name(path: Path) -> str:
    """`coterie.train.run` for coterie/train/run.py, `coterie.train` for its `__init__.py`."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def count_lines(paths: Iterable[Path]) -> int:
    """Physical lines of the files."""
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)
