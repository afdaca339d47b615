"""`python -m coterie.datasets`: public files become tasks, and their predictions are scored."""

import json
from pathlib import Path

import pytest

from coterie.datasets.__main__ import find_datasets, main


def make_pope(folder: Path) -> None:
    items = [{"question_id": i, "image": "a.jpg", "text": "A dog?", "label": label}
             for i, label in enumerate(["yes", "no", "no"])]  # fmt: skip
    (folder / "pope.json").write_text("".join(json.dumps(item) + "\n" for item in items))


def test_write_and_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                         capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    make_pope(tmp_path)
    assert main(["write", "pope", "file=pope.json", "images=.", "--to", "out"]) == 0
    assert capsys.readouterr().out == "out/tasks.yaml\n"
    rows = [{"source": f"pope.test.jsonl:{i}", "prediction": "Yes"} for i in (1, 2, 3)]
    Path("p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["score", "out/pope.test.jsonl", "p.jsonl"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["33.33", "accuracy"] and lines[-1].split() == ["3", "rows"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["write", "popes", "--to", "o"], r"'popes' is no data set \(did you mean pope\?\): there"),
        (["write", "pope", "--to", "o"], "pope.file is missing: Pope needs it"),
        (["write", "pope", "fil=a", "--to", "o"], "pope.fil = 'a': Pope has no field 'fil'"),
        (["write", "pope", "file", "--to", "o"], "'file': give field=value"),
        (["write", "pope", "file=x", "images=y", "--to", "o"], "x cannot be read: No such file"),
        (["write", "mme_realworld", "file=x", "images=y", "as_released=1", "--to", "o"],
         "'as_released=1': give true or false"),
        (["score", "o.jsonl", "p.jsonl"], "datasets.json cannot be read"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: ") and said.replace("\\", "") in error
    assert error.count("\n") == 1


def test_every_data_set_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    listed = capsys.readouterr().out
    assert {line.split()[0] for line in listed.splitlines()} == set(find_datasets())
    assert "pope file=... images=...: POPE (Li et al. 2023" in listed
    assert "nutrition5k folder=... [ids=train_id.json]: Ingredients and nutrition" in listed
