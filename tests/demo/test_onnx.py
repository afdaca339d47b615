from pathlib import Path

import numpy as np
import pytest

from coterie_demo.onnx import read
from tests.demo import tiny_onnx


def test_stored_tensors_and_products_are_found(tmp_path: Path) -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    content = tiny_onnx.model({"a": values, "b": values[0]}, {"/x/MatMul": "a"})
    (tmp_path / "m.onnx").write_bytes(content)
    graph = read(tmp_path / "m.onnx")
    assert graph.products == {"/x/MatMul": "a"}
    assert list(graph.tensors) == ["a", "b"]
    np.testing.assert_array_equal(graph.tensors["a"], values)


def test_other_nodes_and_other_types_are_left_out(tmp_path: Path) -> None:
    whole = tiny_onnx.tensor("i", np.array([1], dtype=np.int64), kind=7)
    graph = tiny_onnx.block(1, tiny_onnx.node("Add", "/x/Add", "a", "b"))
    graph += tiny_onnx.block(5, whole) + tiny_onnx.number(99, 3)
    (tmp_path / "m.onnx").write_bytes(tiny_onnx.block(7, graph))
    found = read(tmp_path / "m.onnx")
    assert (found.tensors, found.products) == ({}, {})


def test_a_file_without_a_graph_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(tiny_onnx.number(1, 8))
    with pytest.raises(ValueError, match=r"m.onnx holds no ONNX graph"):
        read(tmp_path / "m.onnx")
