"""Every verb on hostile folders: nothing is written elsewhere, nothing runs, nothing hangs."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.folders import llama_folder, text_tasks
from tests.hostile import folders
from tests.hostile.harness import Outcome, attempt
from tests.report import synthetic

VERBS: dict[str, Sequence[str]] = {
    "evaluate": ("evaluate", "RUN", "--device", "cpu"),
    "resume": ("train", "RUN", "--out", "RUN", "--resume", "--device", "cpu"),
    "report": ("report", "RUN", "--to", "out/page.html"),
    "compare": ("compare", "RUN", "RUN2"),
    "extract": ("extract", "RUN", "--task", "first", "--to", "out/one", "--format", "adapter"),
    "diagnose": ("diagnose", "RUN", "--to", "out/conflict.json", "--device", "cpu"),
    "generate": ("generate", "RUN", "what is 1?", "--task", "first", "--device", "cpu"),
}


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base model, tasks, and a run that is trained and evaluated."""
    from coterie.cli.main import main

    place = tmp_path_factory.mktemp("right")
    llama_folder(place / "base")
    data = ("--base", str(place / "base"), "--tasks", str(text_tasks(place / "data")))
    small = ("--steps", "2", "--batch-size", "2", "--set", "ranks=2,3", "--device", "cpu")
    assert main(["train", "moelora", *data, *small[:4], "--out", str(place / "run")]) == 0
    assert main(["evaluate", str(place / "run"), "--device", "cpu"]) == 0
    return place


@pytest.fixture
def place(right: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a copy of the run, an empty out/, and a victim beside them."""
    shutil.copytree(right / "run", tmp_path / "run")
    shutil.copytree(right / "run", tmp_path / "run2")
    for name in ("victim/folder/checkpoint-1", "out"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("mine.txt", "folder/mine.txt", "folder/checkpoint-1/mine.txt"):
        (tmp_path / "victim" / name).write_text("mine")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_verb(place: Path, verb: Sequence[str]) -> Outcome:
    """Run a verb on the hostile run, which it may write into."""
    named = {"RUN": str(place / "run"), "RUN2": str(place / "run2")}
    given = [named.get(each, each) for each in verb]
    return attempt(given, allowed=[place / "run", place / "out"], hostile=place / "run")


def check_victim(place: Path) -> None:
    """Check that the victim's files are as they were, and that no code left its mark."""
    left = sorted(each.relative_to(place / "victim").as_posix()
                  for each in (place / "victim").rglob("*") if each.is_file())  # fmt: skip
    assert left == ["folder/checkpoint-1/mine.txt", "folder/mine.txt", "mine.txt"]
    assert all((place / "victim" / each).read_text() == "mine" for each in left)
    assert not list(place.rglob("ran.txt"))


@pytest.mark.slow
@pytest.mark.parametrize("verb", list(VERBS))
def test_verbs_on_a_run_that_is_right(place: Path, verb: str) -> None:
    """The harness itself: what is right does no harm either, and most of it works."""
    outcome = run_verb(place, VERBS[verb])
    assert outcome.harm == []
    assert outcome.code == 0 or verb in ("extract", "compare"), outcome.text


@pytest.mark.slow
@pytest.mark.parametrize("wrong", list(folders.RUNS))
def test_hostile_runs(place: Path, wrong: str) -> None:
    folders.RUNS[wrong](place / "run", place / "victim")
    for verb, arguments in VERBS.items():
        outcome = run_verb(place, arguments)
        assert outcome.harm == [], f"{verb}: {outcome.harm}"
        check_victim(place)


@pytest.mark.slow
@pytest.mark.parametrize("wrong", list(folders.BASES))
def test_hostile_bases(right: Path, place: Path, wrong: str) -> None:
    shutil.copytree(right / "base", place / "base")
    folders.BASES[wrong](place / "base")
    tasks = ("--tasks", str(right / "data" / "tasks.yaml"), "--steps", "1", "--batch-size", "2")
    for verb in (
        ("train", "shared_lora", "--base", "base", *tasks, "--out", "out/run"),
        ("diagnose", "--base", "base", *tasks[:2], "--to", "out/conflict.json"),
    ):
        outcome = attempt(verb, allowed=[place / "out"], hostile=place / "base")
        assert outcome.harm == [] and outcome.text.count("[y/N]") == 0, f"{verb}: {outcome.harm}"
        check_victim(place)


@pytest.mark.slow
@pytest.mark.parametrize("wrong", list(folders.TASKS))
def test_hostile_tasks(right: Path, place: Path, wrong: str) -> None:
    folders.add_rows(place)
    tasks = folders.write_tasks(place, folders.TASKS[wrong])
    given = ("--base", str(right / "base"), "--tasks", str(tasks), "--steps", "1")
    verb = ("train", "shared_lora", *given, "--batch-size", "2", "--out", "out/run")
    outcome = attempt(verb, allowed=[place / "out"], hostile=place)
    assert outcome.harm == [] and outcome.code == 2, outcome.harm or outcome.text
    check_victim(place)


@pytest.mark.slow
def test_a_stage_by_override_cannot_leave_the_run(right: Path, place: Path) -> None:
    given = ("--base", str(right / "base"), "--tasks", str(right / "data" / "tasks.yaml"))
    name = ("--set", f"stages.0.name=/../../../{place}/victim/folder", "--steps", "1")
    verb = ("train", "shared_lora", *given, *name, "--out", "out/run")
    outcome = attempt(verb, allowed=[place / "out"], hostile=place)
    assert outcome.harm == [] and outcome.code == 2 and "no slashes" in outcome.text
    check_victim(place)


@pytest.mark.slow
def test_a_report_shows_no_private_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of a stranger's run name a picture of this machine, absolutely and by ../."""
    secret = folders.add_private_picture(tmp_path / "private")
    (run,) = synthetic.study(
        tmp_path / "study", synthetic.TASKS[:1], samples=3, systems=(("soft_lora", 0.0),), layers=1
    )["soft_lora"]
    (rows,) = (tmp_path / "study" / "data").glob("*.jsonl")
    lines = [json.loads(line) for line in rows.read_text().splitlines()]
    for line, place in zip(lines, (str(secret), "../../private/secret.png", None), strict=True):
        line["image"] = place or line["image"]
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    verb = ["report", str(run), "--to", "out/page.html"]
    outcome = attempt(verb, allowed=[tmp_path / "out"], hostile=tmp_path / "study")
    assert outcome.harm == [] and outcome.code == 0, outcome.text
    page = (tmp_path / "out" / "page.html").read_text()
    assert page.count("data:image/jpeg") == 1 and "lies outside of the rows" in page


def test_links_in_a_run_are_not_written_through(tmp_path: Path) -> None:
    (run,) = synthetic.study(
        tmp_path / "study", synthetic.TASKS[:1], samples=2, systems=(("soft_lora", 0.0),), layers=1
    )["soft_lora"]
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "mine.txt").write_text("mine")
    (tmp_path / "out").mkdir()
    (run / "scores.json.partial").symlink_to(tmp_path / "victim" / "mine.txt")
    for verb in (("evaluate", str(run)), ("report", str(run), "--to", str(tmp_path / "out"))):
        outcome = attempt(verb, allowed=[run, tmp_path / "out"], hostile=run)
        assert outcome.harm == [] and outcome.code == 2, outcome.text
        assert "is a link to" in outcome.text
    assert (tmp_path / "victim" / "mine.txt").read_text() == "mine"


def test_the_harness_sees_harm(tmp_path: Path) -> None:
    """Writes, programs, questions and loops are found; what is allowed is not."""
    (tmp_path / "out").mkdir()

    def harm() -> None:
        (tmp_path / "out" / "right.txt").write_text("right")
        (tmp_path / "wrong.txt").write_text("wrong")
        (tmp_path / "wrong.txt").unlink()
        input("may I? [y/N]")
        exec(compile("1", str(tmp_path / "bad" / "evil.py"), "exec"))

    outcome = attempt(harm, allowed=[tmp_path / "out"], hostile=tmp_path / "bad")
    assert outcome.code == 0 and outcome.written == (str(tmp_path / "wrong.txt"),) * 2
    assert [each.split()[0] for each in outcome.ran] == ["builtins.input", "code"]

    def loop() -> None:
        while True:
            pass

    assert attempt(loop, allowed=[], hostile=tmp_path, limit_s=0.5).harm == ["hung"]
