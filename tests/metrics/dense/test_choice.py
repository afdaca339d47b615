"""Refusal of what is none of a few ways, or none of a set's tasks."""

import pytest

from coterie.metrics.dense.labels import check_choice, check_names


def test_names_what_is_allowed() -> None:
    check_choice("Box(lid", "shut", ("open", "shut"))
    with pytest.raises(ValueError, match=r"^Box\(lid='ajar'\): give 'open' or 'shut'$"):
        check_choice("Box(lid", "ajar", ("open", "shut"))


def test_tasks_that_there_are_not(unchecked: None) -> None:
    check_names("Box", ("depth",), ("depth", "normals"))
    with pytest.raises(ValueError) as error:
        check_names("Box", ("depth", "normal"), ("depth", "normals"))
    assert str(error.value) == (
        "Box(names=('depth', 'normal')): give some of depth, normals (did you mean normals?)"
    )
    with pytest.raises(ValueError, match=r"^Box\(names=\(\)\): give some of depth$"):
        check_names("Box", (), ("depth",))
