"""Every verb through the installed command, one after the other on one tiny model."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import load_file

from coterie_demo.showcase import TASKS
from tests.cli.folders import llama_folder, text_tasks
from tests.cli.installed import SCRIPT, Installed, installed
from tests.cli.tiny_home import FETCHED, fill

DATA = ("--base", "model", "--tasks", "data/tasks.yaml", "--steps", "4", "--batch-size", "4")


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    folder = tmp_path_factory.mktemp("user")
    llama_folder(folder / "model")
    text_tasks(folder / "data")
    fill(folder / "home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COTERIE_HOME", str(folder / "home"))
        patch.setenv("PATH", str(folder))  # without npm and apt-get
        patch.setenv("PIP_NO_INDEX", "1")
        with installed(folder) as command:
            yield command


@pytest.fixture(scope="module")
def runs(command: Installed) -> Path:
    """A folder with two runs, trained and evaluated."""
    for name, settings in (("shared_lora", "rank=4"), ("rode", "ranks=2,2")):
        called = command("train", name, *DATA, "--out", f"runs/{name}", "--set", settings)
        assert called.code == 0, called.err
        first, following = called.out.splitlines()
        assert first.startswith(f"runs/{name}: trained 4 steps; loss ")
        assert following == f"next: coterie evaluate runs/{name}"
        assert "training samples: first 6, second 6" in called.err and "%|" not in called.err
        called = command("evaluate", f"runs/{name}")
        assert called.code == 0, called.err
        assert "| first |" in called.out and "| second |" in called.out
    return command.folder / "runs"


def test_the_script_itself() -> None:
    done = subprocess.run([SCRIPT, "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("coterie 0.")


def test_train_and_evaluate(runs: Path) -> None:
    for run in (runs / "shared_lora", runs / "rode"):
        assert load_file(run / "adapter" / "adapter_model.safetensors")
        assert json.loads((run / "scores.json").read_text())["tasks"].keys() == {"first", "second"}
        first = (run / "log.jsonl").read_text().splitlines()[0]
        assert json.loads(first)["task_loss"].keys() == {"first", "second"}


def test_controls(command: Installed, runs: Path) -> None:
    called = command("evaluate", "runs/rode", "--untrained")
    assert called.code == 0, called.err
    assert json.loads((runs / "rode" / "scores.untrained.json").read_text())["split"] == "test"


def test_a_run_is_repeated(command: Installed, runs: Path) -> None:
    called = command("train", "runs/rode/run.json", "--out", "runs/again")
    assert called.code == 0, called.err
    files = [
        run / "adapter" / "adapter_model.safetensors" for run in (runs / "rode", runs / "again")
    ]
    first, again = map(load_file, files)
    assert all(first[key].equal(again[key]) for key in first | again)


def test_a_run_is_not_overwritten(command: Installed, runs: Path) -> None:
    called = command("train", "runs/rode", "--out", "runs/rode")
    assert called.code == 2 and "--resume" in called.err and called.err.count("\n") == 1
    assert command("train", "runs/rode", "--out", "runs/rode", "--resume").code == 0


def test_compare(command: Installed, runs: Path) -> None:
    both = ("runs/shared_lora", "runs/rode")
    called = command("compare", *both, "--baseline", both[0], "--to", "table.md")
    assert called.code == 0, called.err
    *_, headline, written = called.out.splitlines()
    assert headline.startswith("rode ") and written == "written to table.md"
    assert (command.folder / "table.md").read_text() in called.out


@pytest.mark.parametrize("model", ["model", "runs/rode"])
def test_diagnose(model: str, command: Installed, runs: Path) -> None:
    small = ("--batches", "2", "--batch-size", "2")
    called = command("diagnose", model, "--tasks", "data/tasks.yaml", *small, "--to", "found.json")
    assert called.code == 0, called.err
    found = json.loads((command.folder / "found.json").read_text())
    assert found["tasks"] == ["first", "second"] and found["sentence"] in called.out


def test_diagnose_draws(command: Installed) -> None:
    small = ("--batches", "2", "--batch-size", "2")
    called = command("diagnose", "model", "--tasks", "data/tasks.yaml", *small, "--to", "it.png")
    assert called.code == 0, called.err
    with Image.open(command.folder / "it.png") as picture:
        assert picture.width > 100


def test_report(command: Installed, runs: Path) -> None:
    called = command("report", "runs/shared_lora", "runs/rode", "--title", "Mine & yours")
    assert called.code == 0, called.err
    headline, written = called.out.splitlines()
    assert headline.startswith("rode ") and written == "written to report.html"
    page = (command.folder / "report.html").read_text()
    assert "Mine &amp; yours" in page and "coterie report runs/shared_lora runs/rode" in page


@pytest.mark.parametrize("form", ["adapter", "merged"])
def test_extract(form: str, command: Installed, runs: Path) -> None:
    called = command(
        "extract", "runs/shared_lora", "--task", "first", "--to", form, "--format", form
    )
    assert called.code == 0, called.err
    files = {path.name for path in (command.folder / form).iterdir()}
    assert {"adapter": "adapter_model.safetensors", "merged": "tokenizer.json"}[form] in files


def test_generate(command: Installed, runs: Path) -> None:
    asked = ("generate", "runs/rode", "--task", "second")
    called = command(*asked, "what is 1?", "what is 2?")
    assert called.code == 0, called.err
    piped = command(*asked, stdin="what is 1?\nwhat is 2?\n")
    assert piped == called and called.out.count("\n") == 2
    rows = '{"question": "what is 1?", "answer": "left unread"}\n\n{"question": "what is 2?"}\n'
    lines = command(*asked, "--jsonl", stdin=rows).out.splitlines()
    assert [json.loads(line)["question"] for line in lines] == ["what is 1?", "what is 2?"]
    answers = [json.loads(line)["answer"] for line in lines]
    assert [answer.replace("\n", "\\n") for answer in answers] == called.out.splitlines()
    for stdin, said in (
        ("[1]", "standard input:1 is '[1]': give an object"),
        ("{", "standard input:1 is no JSON"),
        ("{}", "question: is missing"),
    ):
        wrong = command(*asked, "--jsonl", stdin=stdin)
        assert wrong.code == 2 and said in wrong.err, wrong


def test_list(command: Installed, runs: Path) -> None:
    called = command("list")
    assert called.code == 0, called.err
    for line in ("shared_lora   ", "TokenGate  ", "TopK  ", "Lora  ", "ZLoss  ", "exact  ",
                 "llava  ", "qwen2_vl, qwen2_5_vl, qwen3_vl ", "runs/rode   "):  # fmt: skip
        assert f"\n{line}" in called.out
    called = command("list", "recipe", "rode")
    assert "\n  --set ranks=4,8,16,32  " in called.out and " tuple[int, ...]\n" in called.out
    assert "sparsity: " in called.out
    called = command("list", "recipe", "moelora")
    assert "\n  --set at='text.attn','text.mlp' " in called.out
    called = command("list", "tasks", "data/tasks.yaml")
    assert called.out.startswith("first                    train, test; ")
    for wrong, said in (
        (("recipe", "rod"), "no recipe 'rod' (did you mean rode"),
        (("recipe",), "no recipe None: give one of awaker"),
        (("runs", "x"), "list runs takes no name, and 'x' was given"),
    ):
        called = command("list", *wrong)
        assert called.code == 2 and said in called.err


def test_doctor(command: Installed) -> None:
    called = command("doctor")
    assert called.code == 0, called.err
    assert "ok      python: 3." in called.out and "\nok      torch: " in called.out
    assert called.out.endswith("nothing needed is broken\n")


def test_fetch_says_where_it_cannot_write(
    command: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = command("fetch", "weight")
    assert called.code == 2 and "'weight' is not one of 'weights', 'omni', 'pantry'" in called.err


def test_fetch_finds_what_is_there(command: Installed) -> None:
    called = command("fetch")
    assert called.code == 0, called.err
    *said, last = called.out.splitlines()
    assert last == f"all there: {command.folder / 'home'}"
    # What this home is without could not be fetched now, either.
    assert "pantry: no task drums: it needs drum kits of Hydrogen, a licence a kit" in said
    assert all("pantry: " in line or line.startswith(("fetching ", "  ")) for line in said)


@pytest.mark.slow  # tests/demo/test_showcase.py has its steps
def test_demo_from_nothing_and_again(command: Installed) -> None:
    called = command("demo", "--steps", "1")
    said = "steps=1: single_task shares them out among models of 4 tasks: give at least 4"
    assert (called.code, called.err) == (2, f"coterie: {said}\n")
    called = command("demo", "--steps", "4")
    assert called.code == 0, called.err
    for name in TASKS:
        assert (f"without {name}" in called.out) == (name in FETCHED)
    assert " samples" in called.out and "| moelora" in called.out
    report = command.folder / "runs" / "demo" / "report.html"
    assert called.out.endswith("the report is runs/demo/report.html\n") and report.is_file()
    # Frozen features and lower layers were kept.
    kept = [len(list((command.folder / "home" / name).rglob("*.safetensors")))
            for name in ("features", "trunk")]  # fmt: skip
    assert min(kept) > 0
    again = command("demo", "--steps", "4")
    assert again.code == 0, again.err
    # Two diagnoses after one before, frozen layers, 6 trainings, 6 scores, and of an untrained
    # model and two without images.
    assert again.out.count("done before") == 3 + 1 + 6 + 6 + 3
    assert "%|" not in called.err  # bars are for a terminal
