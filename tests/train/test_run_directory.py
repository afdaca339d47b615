"""The names and formats of a run's folder, and that nobody else spells them."""

import ast
from pathlib import Path

import pytest

import coterie
from coterie.data.dataset import BadRow
from coterie.train.run_directory import RunDirectory

SOURCES = Path(coterie.__file__).parent
NAMES = ("run.json", "log.jsonl", "environment.jsonl", "progress.json", "inputs.json",
         "routing.json", "conflict.json", "scores.json", "scores.", "bad_rows.jsonl", "bad_rows.",
         "checkpoints", "events", "predictions", "predictions-", ".meta.json", ".cost.json",
         "examples", "examples.json")  # fmt: skip
"""Whole strings, or first parts of f-strings, that name a file or folder of a run. "adapter" is
also a format of `extract` and a part that trains, so paths that end in it are looked for."""


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path / "my run")


def test_names(run: RunDirectory) -> None:
    files = {
        "run.json": run.config_file,
        "adapter": run.adapter_folder,
        "log.jsonl": run.log_file,
        "environment.jsonl": run.environment_file,
        "progress.json": run.progress_file,
        "inputs.json": run.inputs_file,
        ".training.lock": run.lock_file("training"),
        "routing.json": run.expert_usage_file,
        "conflict.json": run.conflict_file,
        "checkpoints/2-joint": run.checkpoints_folder(1, "joint"),
        "events/joint": run.events_folder("joint"),
        "bad_rows.jsonl": run.bad_rows_file(),
        "bad_rows.test.jsonl": run.bad_rows_file("test"),
        "scores.json": run.scores_file(),
        "scores.blind.json": run.scores_file("blind"),
        "predictions/test/ocr.jsonl": run.predictions_file("test", "ocr"),
        "predictions-blind/test/ocr.jsonl": run.predictions_file("test", "ocr", "blind"),
        "predictions/test/ocr.meta.json": run.predictions_cache_file("test", "ocr"),
        "predictions/test/.cost.json": run.cost_cache_file("test"),
        "predictions/test/examples/examples.json": run.examples_file("test"),
    }
    for name, file in files.items():
        assert file == run.folder / name


@pytest.mark.parametrize("name", ["../other", "a/b", "..", ""])
def test_names_of_files_do_not_lead_elsewhere(run: RunDirectory, name: str) -> None:
    with pytest.raises(ValueError, match=r"^(task|split) = .*: (files are named|give)"):
        run.predictions_file("test", name)
    with pytest.raises(ValueError, match=r"^(task|split) = .*: (files are named|give)"):
        run.predictions_folder(name)
    assert run.try_read_predictions("test", name) == []


def test_states(run: RunDirectory) -> None:
    with pytest.raises(ValueError, match=r"none of run\.json, log\.jsonl, scores\.json"):
        run.check()
    run.folder.mkdir()
    run.config_file.write_text("{}")
    run.check()
    assert run.is_run and not run.is_started and not run.is_finished
    checkpoint = run.checkpoints_folder(0, "one") / "checkpoint-2"
    checkpoint.mkdir(parents=True)
    assert run.is_started
    checkpoint.rmdir()
    assert not run.is_started
    run.log_file.touch()
    assert run.is_started
    run.adapter_folder.mkdir()
    assert run.is_finished


def test_a_folder_with_locks_and_unfinished_files_is_as_good_as_empty(run: RunDirectory) -> None:
    assert not run.has_other_files
    run.folder.mkdir()
    for name in ("run.json.7.partial", ".training.lock", ".training.lock.json"):
        (run.folder / name).touch()
    assert not run.has_other_files
    (run.folder / "notes.txt").touch()
    assert run.has_other_files


def test_the_home_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/her")
    assert RunDirectory(Path("~/runs/a")).config_file == Path("/home/her/runs/a/run.json")


def test_rows_that_were_left_out_are_listed_once_each(run: RunDirectory) -> None:
    rows = tuple(BadRow(source=f"rows.jsonl:{i}", field="image", reason="is empty") for i in (1, 2))
    assert run.read_bad_rows() == () and run.describe_bad_rows() == ""
    assert run.write_bad_rows([*rows, rows[0]]) == 2 and run.read_bad_rows() == rows
    assert run.describe_bad_rows() == f"left out 2 bad rows, named in {run.folder}/bad_rows.jsonl"
    assert run.write_bad_rows(rows[:1], "test") == 1 and run.bad_rows_file("test").is_file()
    run.write_bad_rows(rows[:1])
    assert run.describe_bad_rows().startswith("left out 1 bad row, named in ")
    run.bad_rows_file().write_text(run.bad_rows_file().read_text() + '{"source": "rows.jsonl:3", ')
    with pytest.raises(ValueError, match=r"bad_rows\.jsonl:2 is damaged .*: remove the line"):
        run.read_bad_rows()
    assert run.write_bad_rows([]) == 0 and not run.bad_rows_file().exists()


def test_lenient_reads(run: RunDirectory) -> None:
    assert run.read_log() == [] and run.try_read_json(run.scores_file()) is None
    run.folder.mkdir()
    run.log_file.write_text('{"step": 1}\n[2]\n{"step": 2}\n{"st')
    assert run.read_log() == [{"step": 1}, {"step": 2}]
    run.scores_file().write_text("[1]")
    assert run.try_read_json(run.scores_file()) == [1]
    assert run.try_read_mapping(run.scores_file()) == {}


def test_missing_files_come_with_the_command_that_writes_them(run: RunDirectory) -> None:
    quoted = f"'{run.folder}'"
    commands = {
        run.config_file: "",
        run.log_file: f"coterie train '{run.folder}/run.json' --out '{run.folder}-again'",
        run.scores_file(): f"coterie evaluate {quoted}",
        run.scores_file("blind"): f"coterie evaluate {quoted} --blind",
        run.scores_file("untrained"): f"coterie evaluate {quoted} --untrained",
        run.expert_usage_file: f"coterie evaluate {quoted}",
        run.predictions_file("test", "ocr"): f"coterie evaluate {quoted}",
        run.conflict_file: f"coterie diagnose {quoted} --to '{run.folder}/conflict.json'",
    }
    for file, command in commands.items():
        missing = run.explain(file, "No numbers")
        assert missing.command == command
        name = file.relative_to(run.folder).as_posix()
        assert missing.message == f"No numbers: {name} of my run is not there"
    run.folder.mkdir()
    run.log_file.write_text("{")
    assert run.explain(run.log_file, "No curve").message.endswith("cannot be read")


def test_no_other_file_spells_a_name_of_a_run() -> None:
    found = [
        (path.relative_to(SOURCES).as_posix(), node.lineno, node.value)
        for path in sorted(SOURCES.rglob("*.py"))
        if path.name not in ("run_directory.py", "json_list.py")  # a list of rows may be "examples"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in NAMES
    ]
    assert found == []


def test_no_other_file_makes_a_path_to_the_adapter() -> None:
    found = [
        (path.relative_to(SOURCES).as_posix(), node.lineno)
        for path in sorted(SOURCES.rglob("*.py"))
        if path.name not in ("run_directory.py", "json_list.py")  # a list of rows may be "examples"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
        if isinstance(node.right, ast.Constant) and node.right.value == "adapter"
    ]
    assert found == []
