"""ONNX files by hand: protobuf's bytes, without onnx."""

from collections.abc import Mapping

import numpy as np


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def block(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def tensor(name: str, values: np.ndarray, kind: int = 1) -> bytes:
    dims = b"".join(number(1, size) for size in values.shape)
    return dims + number(2, kind) + block(8, name.encode()) + block(9, values.tobytes())


def node(operator: str, name: str, *inputs: str) -> bytes:
    names = b"".join(block(1, each.encode()) for each in inputs)
    return names + block(2, b"out") + block(3, name.encode()) + block(4, operator.encode())


def model(tensors: Mapping[str, np.ndarray], products: Mapping[str, str]) -> bytes:
    """A file with these stored tensors, and a MatMul of each name with that right factor."""
    nodes = [block(1, node("MatMul", name, "x", factor)) for name, factor in products.items()]
    stored = [block(5, tensor(name, values)) for name, values in tensors.items()]
    graph = b"".join([*nodes, block(2, b"graph"), *stored])
    return number(1, 8) + block(7, graph)
