"""`coterie demo` hands its flags to the showcase and names the report."""

from pathlib import Path

import pytest

from coterie_demo.showcase import STEPS, Showcase
from tests.cli.calls import Calls


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ((), ("runs/demo", STEPS, 0)),
        (("--out", "runs/quick", "--steps", "50", "--seed", "3"), ("runs/quick", 50, 3)),
    ],
)
def test_flags_reach_the_showcase(
    flags: tuple[str, ...],
    expected: tuple[str, int, int],
    coterie: Calls,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[str, int, int]] = []

    def run(show: Showcase) -> Path:
        seen.append((show.out, show.steps, show.seed))
        return Path(show.out) / "report.html"

    monkeypatch.setattr(Showcase, "run", run)
    called = coterie("demo", *flags)
    assert (called.code, called.out) == (0, f"the report is {expected[0]}/report.html\n")
    assert seen == [expected]
