"""Cycles and chains of small packages."""

from pathlib import Path

from structure.imports import find_cycles, import_graph, longest_chain, package_graph

from tests.tools.packages import read

TOP = "from coterie.b import f\n"
IN_FUNCTION = "def f():\n    from coterie import a\n    return a\n"
FOR_TYPES = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import coterie.a\n"


def test_imports_in_functions_and_for_types_make_cycles(tmp_path: Path) -> None:
    for number, back in enumerate((IN_FUNCTION, FOR_TYPES)):
        graph = import_graph(read(tmp_path / str(number), {"a.py": TOP, "b.py": back}))
        assert find_cycles(graph) == (("coterie.a", "coterie.b"),)


def test_a_name_of_a_package_is_its_file_or_else_its_init(tmp_path: Path) -> None:
    files = {
        "p/__init__.py": "from coterie.p.x import f\n",
        "p/x.py": "f = 1\n",
        "q.py": "from coterie.p import x, f\nimport coterie.p.x as y\nimport os\n",
    }
    graph = import_graph(read(tmp_path, files))
    assert graph["coterie.q"] == {"coterie.p", "coterie.p.x"}
    assert graph["coterie.p"] == {"coterie.p.x"} and graph["coterie.p.x"] == frozenset()
    assert find_cycles(graph) == ()


def test_relative_imports_are_resolved(tmp_path: Path) -> None:
    files = {"p/a.py": "from .b import f\n", "p/b.py": "from ..c import g\n", "c.py": "g = 1\n"}
    graph = import_graph(read(tmp_path, files))
    assert graph["coterie.p.a"] == {"coterie.p.b"} and graph["coterie.p.b"] == {"coterie.c"}


def test_packages_can_be_a_cycle_where_files_are_none(tmp_path: Path) -> None:
    files = {
        "p/a.py": "from coterie.q import b\n",
        "p/c.py": "",
        "q/b.py": "from coterie.p import c\n",
        "__init__.py": "from coterie.p import a\n",
    }
    graph = import_graph(read(tmp_path, files))
    assert find_cycles(graph) == ()
    assert find_cycles(package_graph(graph)) == (("coterie.p", "coterie.q"),)


def test_the_longest_chain_counts_one_node_of_a_cycle(tmp_path: Path) -> None:
    files = {
        "a.py": "import coterie.b\nimport coterie.e\n",
        "b.py": "import coterie.c\n",
        "c.py": "import coterie.b\nimport coterie.d\n",
        "d.py": "",
        "e.py": "",
    }
    graph = import_graph(read(tmp_path, files))
    # a, then b and c as one, then d; a to e is shorter.
    assert longest_chain(graph) == ("coterie.a", "coterie.b", "coterie.d")
