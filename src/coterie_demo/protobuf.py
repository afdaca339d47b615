"""The fields of a protobuf message without its schema, which is enough to find weights in ONNX."""

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def parse_fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field in order: an int for a varint, else the bytes themselves.

    Raises ValueError if the message ends in the middle of a field, or has a field of the two kinds
    that protobuf gave up (groups).
    """
    at = 0
    while at < len(message):
        key, at = parse_varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = parse_varint(message, at)
            yield number, value
            continue
        if kind == BYTES:
            length, at = parse_varint(message, at)
        elif kind in (FIXED64, FIXED32):
            length = 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"field {number} is of protobuf's kind {kind}; 0, 1, 2 and 5 are read")
        if at + length > len(message):
            raise ValueError(f"field {number} ends after the message: the file is cut short")
        yield number, message[at : at + length]
        at += length


def parse_varint(message: memoryview, at: int) -> tuple[int, int]:
    """The integer that begins at byte `at`, seven bits a byte, lowest first; and where it ends."""
    value = shift = 0
    while at < len(message):
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at
    raise ValueError("a number ends after the message: the file is cut short")
