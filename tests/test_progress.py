"""What a phase shows where there is no terminal: lines at their time, and nothing elsewhere."""

import pytest

from coterie import progress
from coterie.progress import Progress, format_duration


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock whose time in seconds is its only item."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_line_after_the_first_updates_and_then_at_its_time(clock, capsys) -> None:
    shown = Progress(100, "joint", unit="step", first_line_after=2)
    for seconds in (5, 1, 1, 28):
        clock[0] += seconds
        shown.update(note="loss 3.2")
    # The first update is slower and left out. The next two took 2 s, so 97 take 97 s. The line
    # after that is due 30 s later.
    assert capsys.readouterr().err == "joint: step 3 of 100, loss 3.2, about 97 s left\n"
    clock[0] += 2
    shown.update(note="loss 3.1")
    # Four updates took 32 s, so 95 take 760 s, 13 minutes.
    assert capsys.readouterr().err == "joint: step 5 of 100, loss 3.1, about 13 min left\n"


def test_a_short_phase_has_no_line(clock, capsys) -> None:
    assert list(Progress(3, "check rows of ocr", unit="row").count("abc")) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


def test_a_resumed_phase_measures_its_own_updates(clock, capsys) -> None:
    shown = Progress(10, "check", unit="row")
    shown.move_to(8)
    clock[0] += 30
    shown.update()
    assert capsys.readouterr().err == "check: row 9 of 10, about 30 s left\n"
    clock[0] += 30
    shown.update()
    assert capsys.readouterr().err == "check: row 10 of 10\n"


def test_a_bar_where_it_is_wanted_and_silence_where_not(clock, capsys) -> None:
    with Progress(2, "train", unit="step", shown=True, first_line_after=2) as bar:
        bar.update(note="loss 3.2")
        bar.write("stage 1 of 1")
    said = capsys.readouterr().err
    assert "train:  50%" in said and "loss 3.2" in said and "stage 1 of 1\n" in said
    quiet = Progress(2, "train", unit="step", shown=False, first_line_after=1)
    for _ in range(2):
        clock[0] += 60
        quiet.update(note="loss 3.2")
    quiet.write("stage 1 of 1")
    assert capsys.readouterr().err == ""


def test_other_processes_show_nothing(clock, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    other = Progress(2, "train", unit="step", shown=True)
    clock[0] += 60
    other.update()
    other.write("stage 1 of 1")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (99.0, "99 s"), (100.0, "2 min"), (5940.0, "99 min"), (12e3, "3 h 20 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
