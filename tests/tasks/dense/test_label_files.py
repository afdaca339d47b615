import io
import os
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from coterie.tasks.dense import label_files
from coterie.tasks.dense.label_files import LabelFile
from tests.datasets.written import npy, png


def test_opacity_is_left_out_of_colours() -> None:
    content = png(np.array([[[1, 2, 3, 0]]], np.uint8))
    assert label_files.decode_rgb_label(content).flatten().tolist() == [1, 2, 3]


def test_16_bits_are_kept() -> None:
    found = label_files.decode_uint16(png(np.array([[0, 256, 65535]], np.uint16)))
    assert found.dtype == np.uint16 and found.tolist() == [[0, 256, 65535]]


def test_a_picture_that_would_fill_the_memory_is_not_decoded(monkeypatch) -> None:
    monkeypatch.setenv("COTERIE_MAX_IMAGE_PIXELS", "5")
    with pytest.raises(ValueError, match="more than 5 pixels"):
        label_files.decode_uint8(png(np.zeros((2, 3), np.uint8)))


def test_whole_numbers_and_booleans_are_numbers() -> None:
    assert label_files.decode_npy(npy(np.array([True]))).tolist() == [True]
    assert label_files.decode_npy(npy(np.array([3], np.int16))).tolist() == [3]


def test_a_pickle_is_never_opened() -> None:
    class Trap:
        def __reduce__(self):
            return pytest.fail, ("the pickle ran",)

    with pytest.raises(ValueError, match=r"is no good .npy file \(Object arrays cannot be loaded"):
        label_files.decode_npy(npy(np.array([Trap()], dtype=object)))


def test_a_matrix_that_would_fill_the_memory_is_not_unpacked(monkeypatch) -> None:
    file = io.BytesIO()
    scipy.io.savemat(file, {"depth": np.zeros((100, 100)), "big": np.zeros((200, 100))},
                     do_compression=True)  # fmt: skip
    assert label_files.decode_mat(file.getvalue(), "depth").shape == (100, 100)
    monkeypatch.setattr(label_files, "MAX_VALUES", 10_000)
    assert label_files.decode_mat(file.getvalue(), "depth").shape == (100, 100)
    with pytest.raises(ValueError, match=r"big has shape \[200, 100\], which is too large"):
        label_files.decode_mat(file.getvalue(), "big")
    with pytest.raises(ValueError, match="has no variable x, but depth, big"):
        label_files.decode_mat(file.getvalue(), "x")


def test_a_pipe_is_no_label(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a.png: depth: cannot be read \(it is no regular file"):
        LabelFile(folder=tmp_path, name="a.png", field="depth").read(label_files.decode_uint8)
