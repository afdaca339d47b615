"""The guess of the time that is left."""

from coterie.study.parts import Pace, Part


def part(kind: str, units: int = 1) -> Part:
    return Part(kind=kind, name=kind, units=units, work=lambda: "", is_done=lambda: False)


def test_what_was_measured_and_what_was_not() -> None:
    pace = Pace()
    left = [part("train", 30), part("evaluate", 2), part("report")]
    assert pace.describe(left) == ""
    pace.add("train", 10, 20.0)
    pace.add("train", 10, 10.0)
    # 30 s for 20 steps, so 45 s for 30.
    assert pace.describe(left) == "about 45 s and the time to evaluate and report left"
    pace.add("evaluate", 1, 4.0)
    assert pace.describe(left[:2]) == "about 53 s left"
    assert pace.describe([]) == ""
