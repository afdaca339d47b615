"""The README's tree says what each file holds, and its example is the one `make demo` runs."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
START, END = "made by `python -m tests.test_readme` -->\n", "<!-- end of tree -->"


def tree() -> str:
    """One line a file: its path and the first line of its docstring."""
    lines = []
    for top in ("src/coterie", "benchmarks", "examples"):
        for path in sorted((ROOT / top).rglob("*.py")):
            text = ast.get_docstring(ast.parse(path.read_text()))
            if text:
                lines.append(f"{path.relative_to(ROOT)!s:44} {text.splitlines()[0].rstrip('.')}")
    return "```\n" + "\n".join(lines) + "\n```\n"


def parts() -> tuple[str, str, str]:
    before, rest = README.read_text().split(START)
    inside, after = rest.split(END)
    return before + START, inside, END + after


def test_the_tree_is_up_to_date():
    assert parts()[1] == tree(), "run: python -m tests.test_readme"


def test_the_demo_is_the_readme_s_example():
    example = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    demo = (ROOT / "examples" / "quickstart.py").read_text()
    assert example is not None and demo.split('"""')[2].strip() == example[1].strip()


if __name__ == "__main__":
    before, _, after = parts()
    README.write_text(before + tree() + after)
