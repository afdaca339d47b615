import json

import numpy as np
import pytest
import torch

from coterie.datasets.pascal_context import (
    PART_CLASS,
    PascalContext,
    compute_edges,
    decode_human_parts,
    decode_normals,
    decode_saliency,
    decode_semseg,
)
from tests.datasets.written import SIZE, anno, mat, pascal, png


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


def test_all_parts_of_a_person_have_one_of_six_classes() -> None:
    assert len(PART_CLASS) == 24 and set(PART_CLASS.values()) == {1, 2, 3, 4, 5, 6}


def test_later_parts_lie_over_earlier_ones_and_other_things_do_not_count() -> None:
    mask = np.array([[1, 1, 0]], np.uint8)
    people = anno(
        [(15, {"torso": mask, "hair": mask[:, ::-1]}), (12, {"head": mask})],  # 12 is a dog
        (1, 3),
    )
    assert decode_human_parts(mat(anno=people), (1, 3)).tolist() == [[2, 1, 1]]


def test_a_picture_without_labelled_parts_is_unknown_all_over() -> None:
    content = mat(anno=anno([(15, {}), (12, {})], (1, 3)))
    assert decode_human_parts(content, (1, 3)).tolist() == [[255, 255, 255]]


def test_an_unknown_part_is_refused() -> None:
    content = mat(anno=anno([(15, {"tail": np.ones((1, 3), np.uint8)})], (1, 3)))
    with pytest.raises(ValueError, match="names a part 'tail': hair, head"):
        decode_human_parts(content, (1, 3))


def test_another_structure_is_refused() -> None:
    with pytest.raises(ValueError, match="not PASCAL-Part's"):
        decode_human_parts(mat(anno=np.ones((2, 2))), (1, 3))


def test_edges_are_one_pixel_thin() -> None:
    # The Laplacian is not 0 on both sides of the border: two columns of four pixels. The first half
    # of a step takes all that have nothing to their right, and the upper left corner, which has
    # nothing above (G3 of the paper); the three that are left are a line, whose ends stay (G2).
    things = np.array([[7, 7, 9, 9]] * 4)
    assert compute_edges(things)[0].tolist() == [[0, 0, 0, 0], *[[0, 1, 0, 0]] * 3]


def test_one_thing_has_no_edges() -> None:
    assert compute_edges(np.full((3, 3), 5)).sum() == 0


def test_saliency_begins_above_a_half() -> None:
    # 127 / 255 = 0.498, 128 / 255 = 0.502
    content = png(np.array([[127, 128]], np.uint8))
    assert decode_saliency(content, (1, 2)).tolist() == [[[0, 1]]]


def test_normals_point_up_where_the_file_says_down_and_are_known_where_allowed() -> None:
    # 255 is 1 and 0 is -1; 127.5 would be 0, so all of the three parts are 1 long here:
    # (1, -1, 1) with y downward is (1, 1, 1), over its length, the root of 3.
    content = png(np.array([[[255, 0, 255], [255, 0, 255]]], np.uint8))
    found = decode_normals(content, (1, 2), np.array([[True, False]]))
    assert torch.allclose(found[:, 0, 0], torch.full((3,), 3**-0.5))
    assert found[:, 0, 1].isnan().all()


def test_a_palette_is_read_by_its_numbers() -> None:
    content = png(np.array([[0, 20, 255]], np.uint8))
    palette = png(np.array([[[0, 0, 0], [200, 0, 0], [0, 0, 0]]], np.uint8), "P")
    assert decode_semseg(content, (1, 3)).tolist() == [[0, 20, 255]]
    first, second, third = decode_semseg(palette, (1, 3))[0].tolist()
    assert first == third != second
