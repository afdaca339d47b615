"""How much of the pages is run, and that a block that cannot work fails."""

import re
from pathlib import Path

import click
import pytest
from sybil import Document, Example, Region

from tests.docs import blocks

ROOT = blocks.ROOT
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    *sorted(page for page in DOCS.rglob("*.md") if "_build" not in page.parts),
]
RUN = ("python", "bash", "yaml", "json")
FENCE = re.compile(r"^(```+|~~~+|:::+)(\S*)")
LAYOUT = ("{toctree}", "{image}", "{figure}", "{note}", "{warning}")


def languages(page: Path) -> list[str]:
    """The language of every fenced block of a page that shows code; "" where none is named."""
    found, fence = [], None
    for line in page.read_text().splitlines():
        match = FENCE.match(line)
        if match and fence is None:
            fence = match[1]
            found.append(match[2])
        elif match and match[1] == fence and not match[2]:
            fence = None
    return [each for each in found if each not in LAYOUT]


def test_two_thirds_of_the_blocks_are_run() -> None:
    shown = [language for page in PAGES for language in languages(page)]
    run = [language for language in shown if language in RUN]
    assert len(shown) > 50  # the pages were found
    assert len(run) >= 2 / 3 * len(shown), f"{len(run)} of {len(shown)} blocks are run"


def test_all_of_the_readme_is_run() -> None:
    assert set(languages(ROOT / "README.md")) <= set(RUN)


def test_blocks_are_found_with_their_languages(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\n1\n```\n\n```\nplain\n```\n\n```{toctree}\na\n```\n")
    assert languages(page) == ["python", ""]


def example(text: str) -> Example:
    """A block with `text` in it."""
    document = Document(text, "page.md")
    return Example(document, 1, 1, Region(0, len(text), parsed=text), {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("make nothing-like-that", "No rule to make target"),
        ("pip install 'coterie[nothing]'", "there is no extra 'nothing'"),
        ("coterie lisst recipes", "ended with 2"),
        ("coterie list recipees", "ended with 2"),
        ("rm -rf /", "'rm'"),
    ],
)
def test_a_wrong_command_fails(text: str, said: str) -> None:
    with pytest.raises((AssertionError, KeyError), match=said):
        blocks.run_shell(example(text))


def test_arguments_of_a_verb_that_downloads_are_checked() -> None:
    blocks.run_shell(example("coterie fetch pantry"))
    with pytest.raises(click.UsageError, match="--wrong"):
        blocks.run_shell(example("coterie fetch --wrong"))


def test_commands_are_split_as_a_shell_does() -> None:
    text = "coterie list recipes   # all\n# nothing\nmake \\\n  test\n"
    assert list(blocks.commands(text)) == [["coterie", "list", "recipes"], ["make", "test"]]


def test_a_file_needs_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks.write_file(example("# tasks.yaml\ntasks: []\n"))
    assert (tmp_path / "tasks.yaml").read_text() == "# tasks.yaml\ntasks: []\n"
    with pytest.raises(AssertionError, match="the file's name"):
        blocks.write_file(example("tasks: []\n"))


def test_a_wrong_row_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks.read_rows(example('{"question": "2 + 2?", "answer": "4"}'))
    with pytest.raises(ValueError, match="answer"):
        blocks.read_rows(example('{"question": "2 + 2?"}'))


def test_links_lead_to_files() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" in target or target.endswith("reference/index.rst"):  # made at the build
                continue
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


def test_the_example_is_the_quick_start_s() -> None:
    block = re.search(
        r"```python\n(.*?)```", (ROOT / "docs" / "quickstart.md").read_text(), re.DOTALL
    )
    script = (ROOT / "examples" / "quickstart.py").read_text()
    assert block is not None and script.split('"""')[2].strip() == block[1].strip()


def test_every_package_says_what_it_holds() -> None:
    for path in (ROOT / "src" / "coterie").rglob("__init__.py"):
        assert path.read_text().startswith('"""'), path
