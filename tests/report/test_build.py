"""The whole page: what stands on it, what may not, and what happens when parts are missing."""

import json
import math
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from coterie.report import report
from coterie.report.sections import answers
from tests.report import synthetic

VOID = {"meta", "link", "br", "img", "input", "hr", "wbr"}
SECTIONS = ("scores", "conflict", "experts", "learning", "cost", "answers", "made")
HOSTILE = "<script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>"


class Page(HTMLParser):
    """Checks that tags close in order, and collects what a browser would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), (tag, name)
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "srcset", "action", "data", "poster"):
                self.loads.append(value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, (tag, self.open, self.getpos())

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        """What a reader sees, white space made even."""
        return " ".join("".join(self.words).split())


def read(at: Path) -> Page:
    """The page, after checks that hold for every page."""
    text = at.read_text(encoding="utf-8")
    assert len(text.encode()) <= 3_000_000
    page = Page(text)
    assert [each for each in page.ids if each in SECTIONS] == list(SECTIONS)
    assert len(set(page.ids)) == len(page.ids)
    assert page.tags.count("script") == 1
    for target in page.loads:
        assert target.startswith(("data:", "#")), target
        assert not target.startswith("#") or target[1:] in page.ids
    assert "url(" not in text and "@import" not in text
    return page


def test_two_systems(tmp_path: Path) -> None:
    runs = synthetic.study(tmp_path)
    before = tmp_path / "before.json"
    synthetic.put(before, synthetic.before())
    at = report(
        runs, out=tmp_path / "page.html", title="Six tasks", conflict=before,
        command="coterie demo --out here",
    )  # fmt: skip
    page = read(at)
    assert at == tmp_path / "page.html"
    assert "Six tasks" in page.text and "coterie demo --out here" in page.text
    assert "Difference to shared_lora" in page.text
    assert "Mean relative difference" in page.text
    assert "before training" in page.text and "after training: soft_lora" in page.text
    assert "Two tasks that differ have" in page.text
    assert page.tags.count("img") >= 20 and page.tags.count("audio") >= 2
    assert "a machine, a device, torch 1" in page.text
    assert "coterie:Recipe" in page.text
    assert list(tmp_path.glob("*.part")) == []


def test_the_page_is_the_same_each_time(tmp_path: Path) -> None:
    """Answers are drawn by a seed; all that may differ is the minute."""
    run = synthetic.study(tmp_path, synthetic.TASKS[:2], systems=(("soft_lora", 0.0),))["soft_lora"]
    texts = [report(run, out=tmp_path / name).read_text("utf-8") for name in ("a.html", "b.html")]
    lines = [[line for line in text.splitlines() if "UTC" not in line] for text in texts]
    assert lines[0] == lines[1]


def test_one_run_of_one_task_into_a_folder(tmp_path: Path) -> None:
    (run,) = synthetic.study(tmp_path, synthetic.TASKS[:1], systems=(("soft_lora", 0.0),))[
        "soft_lora"
    ]
    at = report(str(run), out=run)
    page = read(at)
    assert at == run / "report.html"
    assert "of 1 task." in page.text
    assert "One task alone has nobody to conflict with" in page.text


@pytest.mark.slow
def test_many_tasks_systems_and_seeds(tmp_path: Path) -> None:
    systems = (("shared_lora", 0.0), ("single_task", 0.03), ("soft_lora", 0.05), ("rode", -0.04))
    runs = synthetic.study(tmp_path, synthetic.MANY, seeds=3, samples=6, systems=systems)
    page = read(report(runs, out=tmp_path / "page.html", conflict=synthetic.before()))
    assert "picked from 3 by this number, which flatters it" in page.text
    assert "Mean, % of single_task" in page.text


def test_every_part_may_be_missing(tmp_path: Path) -> None:
    few = synthetic.study(
        tmp_path, synthetic.TASKS[:2], samples=2, systems=(("soft_lora", 0.0),), layers=2
    )
    (run,) = few["soft_lora"]
    commands = {
        "scores.json": f"coterie evaluate {run}",
        "scores.blind.json": f"coterie evaluate {run} --blind",
        "scores.untrained.json": f"coterie evaluate {run} --untrained",
        "routing.json": f"coterie evaluate {run}",
        "conflict.json": f"coterie diagnose {run}",
        "log.jsonl": f"coterie train {run}/run.json",
    }
    for name, command in commands.items():
        kept = (run / name).read_text()
        (run / name).unlink()
        page = read(report(run, out=tmp_path / "page.html"))
        assert f"{name} of soft_lora-0 is not there" in page.text and command in page.text
        (run / name).write_text("{")
        page = read(report(run, out=tmp_path / "page.html"))
        state = f"{name} of soft_lora-0 cannot be read"
        assert state in page.text, name
        (run / name).write_text(kept)


def test_a_run_that_has_only_begun(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "log.jsonl").write_text('{"step": 1, "loss": 3.0}\n{"step": 2, "loss": NaN}\n')
    page = read(report(run, out=tmp_path / "page.html"))
    assert "run has not been evaluated yet" in page.text
    assert "No configuration of run" in page.text


@pytest.mark.parametrize("unscored", ["soft_lora", "rode"])
def test_a_run_beside_one_that_has_only_begun(unscored: str, tmp_path: Path) -> None:
    systems = (("soft_lora", 0.0), ("rode", 0.1))
    runs = synthetic.study(tmp_path, synthetic.TASKS[:2], samples=2, systems=systems, layers=2)
    for run in runs[unscored]:
        (run / "scores.json").unlink()
    page = read(report(runs, out=tmp_path / "page.html"))
    assert f"scores.json of {unscored}-0 is not there" in page.text


def test_pictures_that_are_gone_leave_a_line(tmp_path: Path) -> None:
    (run,) = synthetic.study(tmp_path, synthetic.TASKS[:1], systems=(("soft_lora", 0.0),))[
        "soft_lora"
    ]
    shutil.rmtree(tmp_path / "data" / "media")
    assert "cannot be shown" in read(report(run, out=tmp_path / "page.html")).text


def test_scores_without_a_number(tmp_path: Path) -> None:
    (run,) = synthetic.study(tmp_path, synthetic.TASKS[:2], systems=(("soft_lora", 0.0),))[
        "soft_lora"
    ]
    data = json.loads((run / "scores.json").read_text())
    data["tasks"]["naming"] |= {"score": None, "low": math.nan, "high": None}
    data["cost"] |= {"train_time_s": None, "trainable_parameters": math.nan}
    synthetic.put(run / "scores.json", data)
    page = read(report(run, out=tmp_path / "page.html"))
    assert "n/a" in page.text and "nan" not in page.text.lower().split()


def test_what_users_and_models_write_stays_text(tmp_path: Path) -> None:
    kinds = (synthetic.Kind("a & b <i>"), *synthetic.TASKS[:1])
    (run,) = synthetic.study(tmp_path, kinds, samples=6, systems=(("soft_lora", 0.0),))["soft_lora"]
    at = run / "predictions" / "test" / "naming.jsonl"
    rows = [json.loads(line) for line in at.read_text().splitlines()]
    for row in rows:
        row["prediction"] = HOSTILE + "\x00\ud800" + "x" * 1000
        row["question"] = '"><svg onload=alert(3)>'
    at.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = json.loads((run / "conflict.json").read_text())
    data["sentence"] = HOSTILE
    synthetic.put(run / "conflict.json", data)
    page = read(report(run, out=tmp_path / "page.html", title=HOSTILE, command=HOSTILE))
    assert page.text.count("<script>alert(1)</script>") >= 4
    assert "more characters)" in page.text
    assert "\x00" not in page.text


def test_a_task_name_does_not_lead_out_of_the_run(tmp_path: Path) -> None:
    (run,) = synthetic.study(tmp_path, synthetic.TASKS[:1], systems=(("soft_lora", 0.0),))[
        "soft_lora"
    ]
    secret = tmp_path / "secret.jsonl"
    secret.write_text(json.dumps({"source": "s:1", "question": "q", "prediction": "SECRET",
                                  "answers": ["a"], "statistics": [0, 1]}))  # fmt: skip
    data = json.loads((run / "scores.json").read_text())
    data["tasks"] = {"../../../../secret": data["tasks"]["naming"]}
    synthetic.put(run / "scores.json", data)
    assert "SECRET" not in read(report(run, out=tmp_path / "page.html")).text


def test_the_page_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MAX_MEDIA_BYTES", 10_000)
    (run,) = synthetic.study(tmp_path, synthetic.TASKS[-1:], systems=(("soft_lora", 0.0),))[
        "soft_lora"
    ]
    page = read(report(run, out=tmp_path / "page.html"))
    assert "left out for the page's size" in page.text


@pytest.mark.usefixtures("unchecked")
def test_errors_name_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is not a run's folder: it has none of run\.json"):
        report(tmp_path, out=tmp_path)
    with pytest.raises(ValueError, match="given 0 systems: give 1 to 12"):
        report({}, out=tmp_path)
    with pytest.raises(ValueError, match="system 'soft_lora' has no runs"):
        report({"soft_lora": []}, out=tmp_path)
    (tmp_path / "log.jsonl").write_text("")
    with pytest.raises(ValueError, match="holds no measurement: give the file"):
        report(tmp_path, out=tmp_path, conflict=tmp_path / "none.json")
    (tmp_path / "other.json").write_text('{"tasks": {"a": {"score": 1}}}')
    with pytest.raises(ValueError, match="holds no measurement: give the file"):
        report(tmp_path, out=tmp_path, conflict=tmp_path / "other.json")
