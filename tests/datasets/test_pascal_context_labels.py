import numpy as np
import pytest
import torch

from coterie.datasets.pascal_context_labels import (
    PART_CLASS,
    compute_edges,
    decode_human_parts,
    decode_normals,
    decode_saliency,
    decode_semseg,
)
from tests.datasets.written import anno, mat, png


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
