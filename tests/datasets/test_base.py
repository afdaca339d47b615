"""Refusal of names that are none of a data set's tasks."""

import pytest

from coterie.datasets.base import check_names


def test_tasks_that_there_are_not(unchecked: None) -> None:
    check_names("Box", ("depth",), ("depth", "normals"))
    with pytest.raises(ValueError) as error:
        check_names("Box", ("depth", "normal"), ("depth", "normals"))
    assert str(error.value) == (
        "Box(names=('depth', 'normal')): give some of depth, normals (did you mean normals?)"
    )
    with pytest.raises(ValueError, match=r"^Box\(names=\(\)\): give some of depth$"):
        check_names("Box", (), ("depth",))
