"""What a run notices of its rows, its base model and its configuration."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from coterie.tasks import as_task_set
from coterie.train.config import RunConfig
from coterie.train.inputs import (
    check_base,
    check_config_file,
    compute_base_digests,
    find_base_folder,
    list_changes,
    read_base_dtype,
    read_input_digests,
    write_input_digests,
)
from coterie.train.run_directory import RunDirectory
from tests.train.small import base, plain, tasks


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    """Of copies of the rows and the base, which a test may change."""
    model = shutil.copytree(base(), tmp_path / "base")
    rows = shutil.copytree(tasks()[0].folder, tmp_path / "rows")
    mine = [replace(task, folder=str(rows)) for task in tasks()]
    return RunConfig(recipe=plain(), base=str(model), tasks=as_task_set(mine))


def compute_digests(config: RunConfig) -> dict[str, str]:
    return config.tasks.compute_rows_digests() | compute_base_digests(config)


def test_each_change_has_a_name(config: RunConfig, tmp_path: Path) -> None:
    before = compute_digests(config)
    assert list(before) == [
        "the rows of caption", "the rows of ocr", "the weights of the base model", "its tokenizer"
    ]  # fmt: skip
    assert list_changes(before, compute_digests(config)) == []
    for name, file in {
        "the rows of ocr": tmp_path / "rows" / "ocr-validation.jsonl",
        "the weights of the base model": tmp_path / "base" / "model.safetensors",
        "its tokenizer": tmp_path / "base" / "tokenizer.json",
    }.items():
        content = file.read_bytes()
        file.write_bytes(content[:-2] + b"\n\n")
        assert list_changes(before, compute_digests(config)) == [name]
        file.write_bytes(content)


def test_what_cannot_be_found_is_no_change(config: RunConfig) -> None:
    before = compute_digests(config)
    other = replace(config, base="organisation/model-that-nobody-has")
    assert find_base_folder(other.base, "coterie.models") is None
    assert list_changes(before, compute_digests(other)) == []


def test_an_edited_configuration_is_told(
    config: RunConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = RunDirectory(tmp_path / "run")
    directory.folder.mkdir()
    directory.config_file.write_text(config.dumps())
    write_input_digests(directory, compute_digests(config))
    check_config_file(directory)
    check_base(directory, config)
    assert capsys.readouterr().err == ""
    directory.config_file.write_text(config.dumps() + " ")
    check_config_file(directory)
    assert "run.json was edited or damaged since training" in capsys.readouterr().err
    weights = tmp_path / "base" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    check_base(directory, config)
    assert "the weights of the base model in " in capsys.readouterr().err
    directory.inputs_file.write_text("{")
    assert read_input_digests(directory) == {}
    assert "changes of rows and base cannot be told" in capsys.readouterr().err


def test_the_dtype_of_a_base_is_that_of_its_configuration_or_weights(
    config: RunConfig, tmp_path: Path
) -> None:
    file = tmp_path / "base" / "config.json"
    settings = json.loads(file.read_text())
    file.write_text(json.dumps(settings | {"dtype": "float16"}))
    assert read_base_dtype(config) == torch.float16
    settings.pop("dtype")
    file.write_text(json.dumps(settings))
    assert read_base_dtype(config) == torch.float32
