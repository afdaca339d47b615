"""The trees say what each file holds, and the README's example is examples/quickstart.py."""

import ast
import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
README, FILES = ROOT / "README.md", ROOT / "docs" / "files.md"
TREE = ("<!-- tree: made by `python -m tests.test_readme` -->\n", "<!-- end of tree -->")
TOPS = ("src/coterie", "benchmarks", "examples", "experiments")


def sentence(path: Path) -> str:
    """The first line of a module's docstring; empty if it has none."""
    text = ast.get_docstring(ast.parse(path.read_text()))
    return text.splitlines()[0].rstrip(".") if text else ""


def packages() -> Iterator[str]:
    """One line a package, or a module beside the packages."""
    for top in TOPS:
        for path in sorted((ROOT / top).iterdir()):
            module = path / "__init__.py" if path.is_dir() else path
            if module.suffix == ".py" and module.is_file() and (text := sentence(module)):
                shown = f"{path.relative_to(ROOT)}{'/' if path.is_dir() else ''}"
                yield f"{shown:28} {text}"


def files() -> Iterator[str]:
    """One line a file."""
    for top in TOPS:
        for path in sorted((ROOT / top).rglob("*.py")):
            if text := sentence(path):
                yield f"{path.relative_to(ROOT)!s:48} {text}"


TREES = {README: packages, FILES: files}


def tree(document: Path) -> str:
    return "```\n" + "\n".join(TREES[document]()) + "\n```\n"


RESULTS = ROOT / "benchmarks" / "results"


def demo() -> str:
    """The scores in benchmarks/results/demo-cpu.json."""
    return scores(json.loads((RESULTS / "demo-cpu.json").read_text())["table"])


def regime(name: str) -> str:
    """The scores of a regime in benchmarks/results/conflict-cpu.json."""
    return scores(json.loads((RESULTS / "conflict-cpu.json").read_text())["regimes"][name]["table"])


def scores(table: dict[str, Any]) -> str:
    """Systems by tasks, with intervals; delta_m last."""
    names = [column["name"] for column in table["columns"]]
    lines = [f"| % | {' | '.join(names)} | delta_m |", "|---|" + "---:|" * (len(names) + 1)]
    for row in table["rows"]:
        cells = [row["tasks"][name] for name in names] + [row["delta_m"]]
        lines.append(f"| {row['system']} | {' | '.join(map(shown, cells))} |")
    return "\n".join(lines) + "\n"


def shown(cell: dict[str, float | None]) -> str:
    if cell["value"] is None:
        return "-"
    return f"{cell['value']:.0f} [{cell['low']:.0f}, {cell['high']:.0f}]"


TABLES: dict[str, Callable[[], str]] = {
    "demo": demo,
    "asked": partial(regime, "asked"),
    "unasked": partial(regime, "unasked"),
}


def marks(name: str) -> tuple[str, str]:
    return f"<!-- {name}: made by `python -m tests.test_readme` -->\n", f"<!-- end of {name} -->"


def parts(document: Path, marks: tuple[str, str] = TREE) -> tuple[str, str, str]:
    start, end = (re.escape(mark) for mark in marks)
    found = re.fullmatch(f"(.*{start})(.*?)({end}.*)", document.read_text(), re.DOTALL)
    assert found is not None, document
    return found[1], found[2], found[3]


@pytest.mark.parametrize("document", TREES, ids=lambda path: path.name)
def test_the_tree_is_up_to_date(document: Path) -> None:
    assert parts(document)[1] == tree(document), "run: python -m tests.test_readme"


@pytest.mark.parametrize("name", TABLES)
def test_scores_are_those_of_their_results(name: str) -> None:
    assert parts(README, marks(name))[1] == TABLES[name](), "run: python -m tests.test_readme"


def test_every_package_says_what_it_holds() -> None:
    for path in (ROOT / "src" / "coterie").rglob("__init__.py"):
        assert sentence(path), path


def test_the_example_is_the_readme_s() -> None:
    example = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    demo = (ROOT / "examples" / "quickstart.py").read_text()
    assert example is not None and demo.split('"""')[2].strip() == example[1].strip()


if __name__ == "__main__":
    for document in TREES:
        before, _, after = parts(document)
        document.write_text(before + tree(document) + after)
    for name, made in TABLES.items():
        before, _, after = parts(README, marks(name))
        README.write_text(before + made() + after)
