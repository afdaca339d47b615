"""The picture of experts and tasks is drawn and holds what it should."""

from pathlib import Path

import pytest
from coterie.report.task_maps import draw, save

BY_TASK = {
    "a": {"net.0.mlp": {"chosen": [1.0, 0.0]}, "net.1.mlp": {"chosen": [0.5, 0.5]}},
    "b": {"net.0.mlp": {"chosen": [0.0, 1.0]}, "net.1.mlp": {"chosen": [0.5, 0.5]}},
}


def test_a_map_for_each_layer_and_the_tree(tmp_path: Path) -> None:
    figure = draw(BY_TASK)
    titles = [axes.get_title() for axes in figure.axes]
    # log 2 = .69 where tasks have experts of their own, 0 where they choose alike.
    assert "0.mlp\nI(T; E) = 0.69 nats" in titles and "1.mlp\nI(T; E) = 0.00 nats" in titles
    assert titles[0] == "Tasks by the experts that they share"
    assert save(BY_TASK, tmp_path / "maps.svg").read_text().startswith("<?xml")
    assert save(BY_TASK, tmp_path / "maps.png").read_bytes().startswith(b"\x89PNG")


def test_nothing_to_draw() -> None:
    with pytest.raises(ValueError, match="no layer has a mixture"):
        draw({})
