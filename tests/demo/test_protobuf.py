import pytest

from coterie_demo.protobuf import parse_fields


def read(message: bytes) -> list[tuple[int, int | bytes]]:
    return [
        (number, value if isinstance(value, int) else bytes(value))
        for number, value in parse_fields(memoryview(message))
    ]


def test_each_kind_of_field() -> None:
    # A key is (number << 3) | kind: 1 varint 300 = 0b10_0101100 -> ac 02; 2 bytes; 3 and 4 fixed.
    message = b"\x08\xac\x02" + b"\x12\x02hi" + b"\x19" + b"12345678" + b"\x25" + b"abcd"
    assert read(message) == [(1, 300), (2, b"hi"), (3, b"12345678"), (4, b"abcd")]


def test_a_field_number_of_two_bytes() -> None:
    # 20 << 3 | 0 = 160 = 0b1_0100000 -> a0 01
    assert read(b"\xa0\x01\x05") == [(20, 5)]


def test_an_empty_message_has_no_fields() -> None:
    assert read(b"") == []


@pytest.mark.parametrize("message", [b"\x12\x05hi", b"\x25abc"])
def test_a_field_that_is_cut_short(message: bytes) -> None:
    with pytest.raises(ValueError, match=r"field \d ends after the message: the file is cut short"):
        read(message)


def test_a_number_that_is_cut_short() -> None:
    with pytest.raises(ValueError, match="a number ends after the message"):
        read(b"\x08\xac")


def test_a_group_is_refused() -> None:
    # 1 << 3 | 3 = 11
    with pytest.raises(ValueError, match="field 1 is of protobuf's kind 3; 0, 1, 2 and 5 are read"):
        read(b"\x0b")
