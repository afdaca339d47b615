"""Functions and classes of the files: complexity, arguments, length, names that stand twice."""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from structure.source import SourceFile, span

Function = ast.FunctionDef | ast.AsyncFunctionDef
Branch = ast.If | ast.For | ast.AsyncFor | ast.While | ast.ExceptHandler


@dataclass(frozen=True)
class FunctionSize:
    """A function and how large it is.

    Attributes:
        place: "path:line name".
        complexity: McCabe's, as ruff's C901 counts it: 1, and 1 for each if, elif, for, while,
            except, try-else, case (a last bare `case _` apart) and function inside.
        num_arguments: named arguments without `self` or `cls`, as ruff's PLR0913 counts them.
        num_lines: from `def` to the last line, the docstring left out.
    """

    place: str
    complexity: int
    num_arguments: int
    num_lines: int


def measure_functions(files: Iterable[SourceFile]) -> tuple[FunctionSize, ...]:
    """Each function and method, those inside others included."""
    return tuple(
        FunctionSize(
            place=f"{file.path}:{node.lineno} {node.name}",
            complexity=complexity(node),
            num_arguments=_num_arguments(node, is_method=is_method),
            num_lines=len(set(span(node)) - _own_docstring(node)),
        )
        for file in files
        for node, is_method in _functions(file.tree)
    )


def find_repeated_classes(files: Iterable[SourceFile]) -> Mapping[str, tuple[str, ...]]:
    """Class name -> "path:line" of each definition, for names that are defined twice or more."""
    places: dict[str, list[str]] = defaultdict(list)
    for file in files:
        for node in ast.walk(file.tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{file.path}:{node.lineno}")
    return {name: tuple(found) for name, found in sorted(places.items()) if len(found) > 1}


def complexity(function: Function) -> int:
    """McCabe's complexity of a function; see `FunctionSize`."""
    return 1 + sum(_decisions(node) for node in ast.walk(function) if node is not function)


def _decisions(node: ast.AST) -> int:
    match node:
        case ast.Try(orelse=orelse) | ast.TryStar(orelse=orelse):
            return int(bool(orelse))
        case ast.Match(cases=cases):
            last = cases[-1]
            is_default = isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None
            return len(cases) - int(is_default and last.guard is None)
        case _:
            return int(isinstance(node, Branch | Function))


def _functions(tree: ast.AST) -> Iterator[tuple[Function, bool]]:
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Function):
                yield child, isinstance(node, ast.ClassDef)


def _num_arguments(function: Function, *, is_method: bool) -> int:
    arguments = function.args
    count = len(arguments.posonlyargs) + len(arguments.args) + len(arguments.kwonlyargs)
    is_static = any(
        isinstance(each, ast.Name) and each.id == "staticmethod" for each in function.decorator_list
    )
    return count - int(is_method and not is_static and count > 0)


def _own_docstring(function: Function) -> set[int]:
    return set(span(function.body[0])) if ast.get_docstring(function) is not None else set()
