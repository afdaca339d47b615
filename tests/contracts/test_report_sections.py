"""Every section of the report has the interface of one, and a new one is one new file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from coterie.report import report, sections
from coterie.report.section import find_sections
from tests.report import synthetic

FAKE = '''
from coterie.report.section import Section

class Seeds(Section):
    title = "Seeds"
    order = 15
    template = """<section id="seeds"><h2>Seeds</h2>
{% for name, count in seeds %}<p>{{ draw.key(name) }}: {{ count }} runs</p>{% endfor %}
</section>"""

    def build(self, context):
        return {"seeds": [(each, len(each.runs)) for each in context.systems]}

    def summarize(self, context, values):
        yield f"There are {len(values['seeds'])} systems."
'''


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "seeds.py").write_text(FAKE)
    monkeypatch.setattr(sections, "__path__", [*sections.__path__, str(tmp_path)])
    yield
    import sys

    sys.modules.pop("coterie.report.sections.seeds", None)


def test_sections_have_titles_orders_and_templates() -> None:
    found = find_sections()
    assert [each.name for each in found] == [
        "scores", "conflict", "forgetting", "experts", "routing", "learning", "composition", "cost",
        "answers", "made",
    ]  # fmt: skip
    assert len({each.order for each in found}) == len(found)
    for each in found:
        assert each.title
        folder = Path(next(iter(sections.__path__)))
        assert each.template or (folder / f"{each.name}.html").is_file()


@pytest.mark.usefixtures("fake")
def test_a_new_section_is_one_new_file(tmp_path: Path) -> None:
    runs = synthetic.study(tmp_path, synthetic.TASKS[:2], samples=4, layers=2)
    text = report(runs, out=tmp_path / "page.html").read_text("utf-8")
    scores, seeds, conflict = (
        text.index(f'<section id="{n}">') for n in ("scores", "seeds", "conflict")
    )
    assert scores < seeds < conflict
    assert '<a href="#seeds">Seeds</a>' in text
    assert ": 1 runs</p>" in text
    assert "There are 2 systems." in text
