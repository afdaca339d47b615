"""The weights of an ONNX file: its stored tensors and which product uses them, nothing run."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from coterie_demo.protobuf import parse_fields

# Numbers of fields in ONNX's schema (onnx.proto).
GRAPH = 7
NODE, INITIALIZER = 1, 5
DIMS, DATA_TYPE, TENSOR_NAME, RAW = 1, 2, 8, 9
INPUT, NODE_NAME, OPERATOR = 1, 3, 4
FLOAT = 1


@dataclass(frozen=True, kw_only=True)
class OnnxGraph:
    """What of an ONNX graph its weights need."""

    tensors: dict[str, np.ndarray]
    """The stored float32 tensors by name; all others are left out."""
    products: dict[str, str]
    """Name of each MatMul -> name of its right factor."""


def read(file: Path) -> OnnxGraph:
    """Reads the file. Raises ValueError if it is cut short or has no graph."""
    graph = None
    for number, value in parse_fields(memoryview(file.read_bytes())):
        if number == GRAPH and isinstance(value, memoryview):
            graph = value
    if graph is None:
        raise ValueError(f"{file.name} holds no ONNX graph")
    tensors, products = {}, {}
    for number, value in parse_fields(graph):
        if not isinstance(value, memoryview):
            continue
        if number == INITIALIZER:
            tensors.update(read_tensor(value))
        elif number == NODE:
            products.update(read_matmul_weight(value))
    return OnnxGraph(tensors=tensors, products=products)


def read_tensor(message: memoryview) -> dict[str, np.ndarray]:
    """Name -> values of one stored tensor; empty unless it is float32, stored as raw bytes."""
    dims, name, raw, kind = [], "", memoryview(b""), 0
    for number, value in parse_fields(message):
        if isinstance(value, int):
            kind = value if number == DATA_TYPE else kind
            dims += [value] if number == DIMS else []
        elif number == TENSOR_NAME:
            name = bytes(value).decode()
        elif number == RAW:
            raw = value
    if kind != FLOAT or len(raw) != 4 * math.prod(dims):
        return {}
    return {name: np.frombuffer(raw, "<f4").reshape(dims)}


def read_matmul_weight(message: memoryview) -> dict[str, str]:
    """Name -> right factor of one node; empty unless it is a MatMul."""
    inputs, name, operator = [], "", ""
    for number, value in parse_fields(message):
        if isinstance(value, int):
            continue
        if number == INPUT:
            inputs.append(bytes(value).decode())
        elif number == NODE_NAME:
            name = bytes(value).decode()
        elif number == OPERATOR:
            operator = bytes(value).decode()
    return {name: inputs[1]} if operator == "MatMul" else {}
