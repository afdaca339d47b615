"""`coterie check` on a user's rows: exit code 0 for good ones, 2 with each bad row named."""

from pathlib import Path

from tests.cli.calls import Calls
from tests.cli.folders import llava_folder, ten_rows


def test_rows_are_checked(tmp_path: Path, coterie: Calls, monkeypatch) -> None:
    llava_folder(tmp_path / "model")
    ten_rows(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    data = ("--base", "model", "--tasks", "data/tasks.yaml", "--batch-size", "2")
    called = coterie("check", *data)
    assert called.code == 0 and "image" in called.out and "the loss is" in called.out
    (rows,) = Path("data").glob("*.jsonl")
    with rows.open("a") as file:
        file.write('{"image": "none.png", "question": "what?", "answer": "a"}\n')
    called = coterie("check", "rode", *data, "--no-batch")
    assert called.code == 2 and f"{rows.name}:11: image: the file 'none.png'" in called.out
    called = coterie("check", *data[:1], "modl", *data[2:])
    assert called.code == 2 and "did you mean model?" in called.err
