"""The file of finished stages."""

from pathlib import Path

import pytest

from coterie.train.finished_stages import (
    FinishedStage,
    add_finished_stage,
    read_finished_stages,
    write_finished_stages,
)
from coterie.train.run_directory import RunDirectory

STAGES = [
    FinishedStage(stage="one", steps=3, weights_folder="checkpoints/1-one/checkpoint-3"),
    FinishedStage(stage="two", steps=1, weights_folder="w", base_parameters=("head.bias",)),
]


def test_stages_are_added_in_order(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    assert read_finished_stages(run) == []
    for stage in STAGES:
        add_finished_stage(run, stage)
    assert read_finished_stages(run) == STAGES


@pytest.mark.parametrize("damage", [b"", b'{"stages": [{}]}', b"\x00\xff", None])
def test_a_damaged_file_is_told_and_not_believed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: bytes | None
) -> None:
    run = RunDirectory(tmp_path)
    write_finished_stages(run, STAGES)
    content = run.progress_file.read_bytes()
    run.progress_file.write_bytes(content.replace(b": 3", b": 2") if damage is None else damage)
    assert read_finished_stages(run) == []
    assert "progress.json is damaged: the checkpoints say" in capsys.readouterr().err
