import json

import pytest

from coterie.datasets.pascal_context import PascalContext
from tests.datasets.written import SIZE, pascal


def test_a_picture_is_read_as_it_was_written(tmp_path) -> None:
    rows = PascalContext(folder=pascal(tmp_path)).load_split("train")
    assert [row.source for row in rows] == ["2008_000000", "2008_000001", "2008_000002"]
    for row in rows:  # the first from semseg/pascal-context, the others from semseg/VOC12
        assert row.image.shape == (3, *SIZE)
        assert row.labels["semseg"][0].tolist() == [15, 15, 15, 255, 255, 255]
        assert row.labels["human_parts"][:, 0].tolist() == [1, 0, 0, 6]  # head, nothing, foot
        assert row.labels["sal"][0, 0].tolist() == [1, 1, 1, 0, 0, 0]
        assert row.labels["edge"].shape == (1, *SIZE)
        assert row.labels["edge"].sum((0, 1)).tolist() == [0, 0, 3, 0, 0, 0]  # see pascal_labels
        assert not row.labels["normals"].isnan().any()  # no lists of classes: all are known
        assert row.labels["normals"][1].min() > 0.99  # green 0 is y = -1 downward: up


@pytest.mark.parametrize("part", ["db_info", "json"])
def test_normals_are_known_of_things_that_both_lists_have(tmp_path, part) -> None:
    folder = pascal(tmp_path)
    (folder / part).mkdir()
    (folder / part / "nyu_classes.json").write_text(json.dumps({"wall": 1, "unknown": 2}))
    context = {"wall": 440, "person": 308, "unknown": 431, "tvmonitor": 427}
    (folder / part / "context_classes.json").write_text(json.dumps(context))
    label = PascalContext(folder=folder).load_split("validation")[0].labels["normals"]
    # a person, 308, on the left; a wall, 440, on the right
    assert label[0, 0].isnan().tolist() == [True, True, True, False, False, False]


def test_a_picture_in_neither_folder_of_classes_is_missed_in_the_last(tmp_path) -> None:
    folder = pascal(tmp_path)
    (folder / "semseg/VOC12/2008_000001.png").unlink()
    with pytest.raises(
        ValueError, match=r"  semseg/pascal-context/2008_000001.png: semseg: cannot"
    ):
        PascalContext(folder=folder).load_split("train")


def test_half_of_the_lists_is_refused(tmp_path) -> None:
    folder = pascal(tmp_path)
    (folder / "json").mkdir()
    (folder / "json" / "nyu_classes.json").write_text("{}")
    with pytest.raises(ValueError, match=r"json has no good nyu_classes.json and context_classes"):
        PascalContext(folder=folder).load_split("train")


def test_loss_weights_are_those_of_m3vit(tmp_path) -> None:
    tasks = PascalContext(folder=tmp_path).tasks
    assert {task.name: task.weight for task in tasks} == {
        "semseg": 1,
        "human_parts": 2,
        "sal": 5,
        "edge": 50,
        "normals": 10,
    }
    assert [task.channels for task in tasks] == [21, 7, 1, 1, 3]


def test_splits_and_names_are_told(tmp_path) -> None:
    folder = pascal(tmp_path)
    data = PascalContext(folder=folder, names=("edge", "sal"))
    assert list(data.load_split("validation")[0].labels) == ["edge", "sal"]
    with pytest.raises(ValueError, match="no split 'test': ask for train or validation"):
        data.load_split("test")
    with pytest.raises(ValueError, match=r"names=\(\).*semseg, human_parts, sal, edge, normals"):
        PascalContext(folder=folder, names=())
