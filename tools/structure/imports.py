"""The graph of imports between the files of the packages: cycles and the longest chain.

Every import statement counts: at the top of a file, inside a function, and under TYPE_CHECKING.
`from package import name` is an import of `package.name` where that is a file, and of the
package's `__init__.py` otherwise. That Python runs the `__init__.py` of each package above a module
it imports is no edge, or every package would be one cycle. Names imported by a string
(`import_module`) are not seen.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence

from structure.source import SourceFile

Graph = Mapping[str, frozenset[str]]


def import_graph(files: Iterable[SourceFile]) -> dict[str, frozenset[str]]:
    """Module -> the modules among `files` that it imports."""
    by_name = {file.module: file for file in files}
    return {
        name: frozenset(set(_imported(file, by_name)) - {name}) for name, file in by_name.items()
    }


def package_graph(graph: Graph) -> dict[str, frozenset[str]]:
    """The graph between what stands directly in a top package: `coterie.train`, `coterie.mixture`.

    The top packages' own `__init__.py` are left out: they gather names from everywhere below.
    """
    packages: dict[str, set[str]] = {}
    for module, imported in graph.items():
        if "." in module:
            name = _package_of(module)
            packages.setdefault(name, set()).update(
                _package_of(other) for other in imported if "." in other
            )
    return {name: frozenset(imported - {name}) for name, imported in packages.items()}


def find_components(graph: Graph) -> tuple[tuple[str, ...], ...]:
    """Strongly connected components, each sorted, before all that import it."""
    reached = {node: _reach(node, graph) for node in graph}
    components = {
        tuple(sorted(other for other in reached[node] if node in reached[other])) for node in graph
    }
    # What imports a component reaches all that it reaches, and itself besides.
    return tuple(sorted(components, key=lambda part: (len(reached[part[0]]), part)))


def find_cycles(graph: Graph) -> tuple[tuple[str, ...], ...]:
    """The components of two or more nodes: in each, every node reaches every other."""
    return tuple(sorted(part for part in find_components(graph) if len(part) > 1))


def longest_chain(graph: Graph) -> tuple[str, ...]:
    """The longest chain of imports, the importing module first; of a cycle, one node counts."""
    chains: dict[str, tuple[str, ...]] = {}
    longest: tuple[str, ...] = ()
    for part in find_components(graph):
        below = [chains[other] for node in part for other in graph[node] if other not in part]
        chain = part[:1] + max(below, key=len, default=())
        chains.update(dict.fromkeys(part, chain))
        longest = max(longest, chain, key=len)
    return longest


def _reach(node: str, graph: Graph) -> set[str]:
    """What a chain of imports leads to from `node`, itself included."""
    reached, waiting = {node}, [node]
    while waiting:
        new = graph[waiting.pop()] - reached
        reached |= new
        waiting.extend(new)
    return reached


def _package_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


def _imported(file: SourceFile, by_name: Mapping[str, SourceFile]) -> Iterator[str]:
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _closest(alias.name, by_name)
        elif isinstance(node, ast.ImportFrom):
            source = _absolute(file, node)
            for alias in node.names:
                yield from _closest(f"{source}.{alias.name}", by_name)


def _closest(name: str, by_name: Mapping[str, SourceFile]) -> Sequence[str]:
    """The module that `name` is or is an attribute of, if it is one of the files."""
    if name in by_name:
        return (name,)
    above = name.rpartition(".")[0]
    return (above,) if above in by_name else ()


def _absolute(file: SourceFile, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = file.module.split(".")
    above = parts if file.is_package else parts[:-1]
    above = above[: len(above) - (node.level - 1)]
    return ".".join([*above, *([node.module] if node.module else [])])
