"""A study's folder holds one study: that of its base and tasks."""

from dataclasses import replace
from pathlib import Path

import pytest

from coterie.io import WriteError
from coterie.study.cost import StudyCost
from coterie.study.folder import StudyFolder
from tests.study.test_plan import plan


def test_what_is_kept_and_refused(user: Path) -> None:
    planned = plan(user)
    folder = StudyFolder.open(planned)
    assert folder.read_cost() is None
    cost = StudyCost(parameters={"shared_lora": 3}, step_s=0.5)
    folder.write_cost(cost)
    assert StudyFolder.open(planned).read_cost() == cost
    with pytest.raises(ValueError, match="holds a study with other base"):
        StudyFolder.open(replace(planned, base="elsewhere"))
    with pytest.raises(ValueError, match="holds a study with other tasks"):
        StudyFolder.open(replace(planned, tasks=planned.tasks.select(("second", "first"))))
    with pytest.raises(ValueError, match="exists and holds no study"):
        StudyFolder.open(replace(planned, out=user / "data"))
    (user / "file").touch()
    said = r"file/study cannot be written: a component of the path is no folder\. Give another"
    with pytest.raises(WriteError, match=said):
        StudyFolder.open(replace(planned, out=user / "file" / "study"))
    for text in ("{", "[1]"):
        folder.facts_file.write_text(text)
        with pytest.raises(ValueError, match=r"study\.json is damaged.*: remove it"):
            folder.read_facts()
