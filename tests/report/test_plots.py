"""Pictures of experts have a map for each layer, and a point for each task."""

from pathlib import Path

import pytest

from coterie.report.plots import draw_expert_usage, draw_rank_usage
from tests.report.test_rank_usage import rode

pytest.importorskip("matplotlib")


def test_a_map_for_each_layer_and_a_point_for_each_task(tmp_path: Path) -> None:
    maps = draw_expert_usage(rode(tmp_path))
    maps.savefig(tmp_path / "maps.png")
    first, second, *_ = maps.axes
    assert (first.get_title(), second.get_title()) == ("0.q_proj", "1.q_proj")
    assert [each.get_text() for each in first.get_yticklabels()] == ["ocr", "naming", "box"]
    assert first.images[0].get_array().tolist() == [[1, 1], [1, 0.25], [0.5, 0.5]]
    picture = draw_rank_usage(tmp_path)
    picture.savefig(tmp_path / "ranks.png")
    (axes,) = picture.axes
    assert axes.collections[0].get_offsets().tolist() == pytest.approx(
        [pytest.approx([0.8, 10]), pytest.approx([0.1, 4]), pytest.approx([0.5, 5])]
    )
    assert axes.get_title().startswith("Spearman correlation 1.00\n(3 tasks are too few")
