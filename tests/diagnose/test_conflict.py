"""Sentences and files of conflicts made by hand."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from coterie.diagnose import Conflict

NAN = float("nan")


def conflict(cosine: float, *, low: float, high: float, within: float = 0.45) -> Conflict:
    def square(value: float) -> tuple[tuple[float, ...], ...]:
        return ((1.0, value), (value, 1.0))

    return Conflict(
        tasks=("ocr", "naming"),
        groups=("layers 0-5",),
        space="probe",
        cosine=(square(cosine),),
        overall=square(cosine),
        low=square(low),
        high=square(high),
        within_task=(within, within),
        transfer=((-0.02, 0.011), (-0.001, -0.02)),
        losses=(1.0, 2.0),
        negative_share=1.0,
        settings={"batches": 4},
    )


def test_a_sure_pull_is_said_with_its_noise() -> None:
    found = conflict(-0.21, low=-0.3, high=-0.1)
    assert found.conflicting_pairs == ((0, 1),)
    assert found.summary == (
        "1 of 1 pair of tasks pulls against each other, ocr and naming most (cosine -0.21, where "
        "two halves of one task agree at 0.45). A step on ocr that changes its own loss by -2.0 % "
        "changes that of naming by +1.1 %."
    )


def test_an_unsure_pull_is_none() -> None:
    found = conflict(-0.01, low=-0.1, high=0.1, within=0.05)
    helped = replace(found, transfer=((-0.02, -0.01), (-0.01, -0.02)))
    assert helped.summary == (
        "None of 1 pair of tasks surely pulls against the other; ocr and naming agree least "
        "(cosine -0.01, where two halves of one task agree at 0.05). A step on any task lowers the "
        "loss of every other. That is noisy: take more or larger batches before relying on it."
    )


def test_a_rise_too_small_to_tell_is_none() -> None:
    small = ((-0.02, 0.0004), (-0.01, -0.02))
    found = replace(conflict(0.2, low=0.1, high=0.3), transfer=small)
    assert found.summary.endswith("raises the loss of another by as much as 0.1 %.")


def test_tasks_that_never_meet_cannot_conflict() -> None:
    found = replace(conflict(NAN, low=NAN, high=NAN), transfer=())
    assert found.summary == (
        "No two tasks have gradients in the same parameters, so none can conflict there."
    )


def test_it_is_read_as_it_was_saved(tmp_path: Path) -> None:
    inner = replace(conflict(0.5, low=0.4, high=0.6), transfer=())
    found = replace(conflict(-0.2, low=-0.3, high=-0.1), shared=inner)
    assert Conflict.read(found.save(tmp_path)) == found
    data = json.loads((tmp_path / "conflict.json").read_text())
    assert data["sentence"] == found.summary
    assert data["shared"]["sentence"] == inner.summary
    empty = conflict(NAN, low=NAN, high=NAN)
    assert math.isnan(Conflict.read(empty.save(tmp_path / "b.json")).overall[0][1])


def test_missing_and_damaged_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"conflict\.json is not there: run `coterie diagnose`"):
        Conflict.read(tmp_path)
    (tmp_path / "conflict.json").write_text('{"tasks": []}')
    with pytest.raises(ValueError, match="holds no conflict"):
        Conflict.read(tmp_path)
