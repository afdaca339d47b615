"""The picture has a map for everything measured."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from coterie.diagnose.plots import draw_conflict
from tests.diagnose.test_conflict import conflict

pytest.importorskip("matplotlib")


def test_all_maps_are_drawn_and_labelled(tmp_path: Path) -> None:
    found = conflict(-0.21, low=-0.3, high=-0.1)
    six = replace(found, groups=tuple("abcdef"), cosine=found.cosine * 6)
    figure = draw_conflict(six)
    figure.savefig(tmp_path / "conflict.png")
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[0].startswith("Gradient cosine") and "Change of the column's loss" in titles[1]
    assert [title for title in titles if title in tuple("abcdef")] == list("abcdef")
    words = {text.get_text() for text in figure.axes[0].texts}
    assert words == {"1.00", "-0.21"}
    draw_conflict(replace(six, transfer=())).savefig(tmp_path / "without.png")


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ValueError, match=r"pip install 'coterie\[report\]'"):
        draw_conflict(conflict(0.0, low=0.0, high=0.0))
