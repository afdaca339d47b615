"""Refusal of what is none of a few ways."""

import pytest

from coterie.dense.choice import check_choice


def test_names_what_is_allowed() -> None:
    check_choice("Box(lid", "shut", ("open", "shut"))
    with pytest.raises(ValueError, match=r"^Box\(lid='ajar'\): give 'open' or 'shut'$"):
        check_choice("Box(lid", "ajar", ("open", "shut"))
