"""`coterie study` up to its first training: what it plans, and what it refuses."""

from pathlib import Path

import pytest

from tests.cli.calls import Calls
from tests.cli.folders import llama_folder, text_tasks


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder, with a tiny Llama and two tasks."""
    made = tmp_path_factory.mktemp("user")
    llama_folder(made / "model")
    text_tasks(made / "data")
    return made


def test_a_dry_run_trains_nothing(
    folder: Path, coterie: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    small = ("--base", "model", "--tasks", "data/tasks.yaml", "--device", "cpu")
    steps = ("--steps", "4", "--set", "learning_rate=1", "--dry-run")
    called = coterie("study", *small, *steps, "--out", "dry", "--recipes", "moelora,rode")
    assert called.code == 0, called.err
    # rode is at q_proj and v_proj alone, 32 wide and 32 and 16 high: 60 * (64 + 48) a layer, and a
    # gate of four experts for 32 at each: 2 * (6,720 + 256) = 13,952 in place of 32,768.
    assert "not of equal size: rode trains 0.426 times those of shared_lora" in called.out
    assert "  todo  train rode\n" in called.out and "  todo  compare and report\n" in called.out
    assert [each.name for each in (folder / "dry").iterdir()] == ["study.json"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seeds", "0,x"], "--seeds 0,x: give whole numbers, as in --seeds 0,1,2"),
        (["--seeds", "1,1"], "seeds=(1, 1): give one or more, each once"),
        (["--recipes", "moelra"], "'moelra' is no recipe (did you mean moelora"),
        (["--recipes", "shared_lora"], "'shared_lora' is there twice"),
        (["--set", "learning_rat=1"], "no such setting (did you mean learning_rate?)"),
        (["--tasks", "data/tasks.yaml:first"], "several tasks, and was given first: give two"),
        (["--out", "data"], "data exists and holds no study"),
    ],
)
def test_mistakes(
    arguments: list[str], said: str, folder: Path, coterie: Calls,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(folder)
    usual = ["--base", "model", "--tasks", "data/tasks.yaml", "--out", "new", "--dry-run"]
    called = coterie("study", *usual, *arguments)
    assert called.code == 2 and said in called.err, called
    assert not (folder / "new").exists()
