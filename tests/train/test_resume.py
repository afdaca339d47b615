"""What a run that goes on accepts, and what it gives."""

from dataclasses import replace
from pathlib import Path

import pytest

from coterie.tasks import as_task_set
from coterie.train import train
from coterie.train.config import RunConfig
from coterie.train.resume import resolve_length
from coterie.train.steps import extend_last
from tests.train.small import OPTIONS, base, content, plain, tasks, trained

CONSTANT = {"learning_rate": 3e-2, "schedule": "constant"}


@pytest.mark.parametrize(
    ("saved", "requested", "length"),
    [
        # (steps, continued_to) of the run, and of the call
        ((4, None), (4, None), (4, None)),
        ((4, None), (6, None), (4, 6)),
        ((4, 6), (6, None), (4, 6)),
        ((4, 6), (4, None), (4, 6)),  # the first command again
        ((4, 6), (9, 6), (4, 9)),  # of the run's own file, with --steps
        ((4, 6), (5, None), (5, None)),  # shorter: differs, and is refused
        ((None, None), (9, None), (None, 9)),
        ((4, None), (None, None), (None, None)),
    ],
)
def test_lengths(saved: tuple, requested: tuple, length: tuple) -> None:
    config = RunConfig(recipe=plain(), base=base(), tasks=as_task_set(tasks()))
    one, two = (
        replace(config, steps=steps, continued_to=continued)
        for steps, continued in (saved, requested)
    )
    assert resolve_length(one, two) == length


def test_the_last_stage_takes_the_rest() -> None:
    assert extend_last(12, [2, 3, 4]) == [2, 3, 7] and extend_last(9, [2, 3, 4]) == [2, 3, 4]
    with pytest.raises(ValueError, match="steps=8: the run was started with 9 steps"):
        extend_last(8, [2, 3, 4])


def test_a_finished_run_takes_more_steps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = trained(tmp_path / "whole", plain(**CONSTANT), steps=6, log_every=2)
    short = trained(tmp_path / "more", plain(**CONSTANT), steps=4, log_every=2)
    short.directory.scores_file().write_text("{}")
    assert capsys.readouterr().err == ""
    given = {"log_every": 2, "save_every": 5, "resume": True}
    longer = trained(tmp_path / "more", plain(**CONSTANT), steps=6, **given)
    kept = (longer.folder / "checkpoints" / "1-train").glob("checkpoint-*")
    assert sorted(each.name for each in kept) == ["checkpoint-5", "checkpoint-6"]
    # A constant rate is that of the longer run, so it is the same run, bit for bit.
    assert content(longer) == content(whole)
    logs = ([(line["step"], line["loss"]) for line in run.read_log()] for run in (longer, whole))
    assert next(logs) == next(logs)
    assert longer.config.steps == 4 and longer.config.continued_to == 6
    said = "removed, as the run is trained further: scores.json; evaluate it again\n"
    assert capsys.readouterr().err == said
    for steps in (4, 6):
        again = trained(tmp_path / "more", plain(**CONSTANT), steps=steps, **given)
        assert again.config == longer.config
    with pytest.raises(ValueError, match=r"\(saved, requested\): steps: 4, 5"):
        trained(tmp_path / "more", plain(**CONSTANT), steps=5, log_every=2, resume=True)


def test_rows_that_changed_are_refused_or_accepted_and_moved_ones_are_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = [replace(task, folder=str(tmp_path / "rows")) for task in tasks()]
    rows = tmp_path / "rows"
    rows.mkdir()
    for file in Path(tasks()[0].folder).iterdir():
        (rows / file.name).write_bytes(file.read_bytes())

    def go(folder: str, **options: object) -> None:
        these = [replace(task, folder=folder) for task in mine]
        given = OPTIONS | options
        train(plain(steps=1), base=base(), tasks=these, out=tmp_path / "run", resume=True, **given)

    go(str(rows))
    assert f"nothing to resume in {tmp_path / 'run'}: started anew" in capsys.readouterr().err
    moved = str(rows.rename(tmp_path / "moved"))
    go(moved)
    assert RunConfig.read(tmp_path / "run").tasks.tasks[0].folder == moved
    file = Path(moved) / "ocr-train.jsonl"
    file.write_text(file.read_text().replace("ocr 1", "ocr 7"))
    with pytest.raises(ValueError, match=r"^the rows of ocr changed since .*accept_changes=True"):
        go(moved)
    go(moved, accept_changes=True)
    go(moved)
