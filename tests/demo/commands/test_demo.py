"""`coterie demo` hands its flags to the showcase and names the report."""

from pathlib import Path

import pytest

from coterie.evaluate.table import Table
from coterie.study import StudyResult
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

    def run(show: Showcase) -> StudyResult:
        seen.append((show.out, show.steps, show.seed))
        table = Table(split="test", columns=(), rows=())
        page = Path(show.out) / "report.html"
        return StudyResult(headline="moelora beats it.", table=table, report=page)

    monkeypatch.setattr(Showcase, "run", run)
    called = coterie("demo", *flags)
    assert called.code == 0
    out = expected[0]
    assert called.out.endswith(
        f"\nmoelora beats it.\nthe report is {out}/report.html\n"
        f"ask the mixture: coterie serve {out}/moelora\n"
    )
    assert seen == [expected]


def test_steps_are_checked_before_anything_is_fetched(coterie: Calls) -> None:
    called = coterie("demo", "--steps", "0")
    assert (called.code, called.err) == (2, "coterie: steps=0: it must be at least 1\n")
