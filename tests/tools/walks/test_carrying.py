"""What carries a value, in each of its forms."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from walks import carrying


@dataclass(frozen=True)
class Row:
    parts: tuple[Any, ...]


class Trainer:
    def __init__(self, row: Row) -> None:
        self.row = row


def test_containers_and_dataclasses_are_searched_and_objects_are_not() -> None:
    test = carrying.has_text("needle")
    row = Row(("hay", ["a needle here"]))
    found = carrying.carriers({"rows": [row]}, test)
    assert [type(each).__name__ for each in found] == [
        "dict",
        "list",
        "Row",
        "tuple",
        "list",
        "str",
    ]
    assert found[-1] == "a needle here" and found[2] is row
    assert carrying.carriers(Trainer(row), test) == ()
    assert carrying.carriers({"a needle": 1}, test)[-1] == "a needle"
    assert carrying.carriers(Row(("hay",)), test) == ()


def test_depth_is_limited() -> None:
    test = carrying.has_text("needle")
    assert carrying.carriers([[["needle"]]], test, depth=3)
    assert carrying.carriers([[["needle"]]], test, depth=2) == ()


def test_tokens_are_found_in_lists_and_tensors() -> None:
    test = carrying.has_token(97)
    assert test([3, 97]) and test(torch.tensor([[1, 97]]))
    assert not test([3, "97"]) and not test(torch.tensor([1, 2])) and not test(torch.tensor([97.0]))


def test_a_loss_has_a_gradient_and_no_third_axis() -> None:
    weight = torch.ones(2, requires_grad=True)
    assert carrying.is_loss((2 * weight).sum()) and carrying.is_loss(2 * weight)
    assert not carrying.is_loss(weight) and not carrying.is_loss(torch.ones(2))
    assert not carrying.is_loss(2 * weight[None, None])


@pytest.mark.parametrize(
    ("value", "is_found"),
    [
        (18.75, True),
        (18.7, False),
        ("18.75 %", True),
        ("118.75", False),
        ("18.752", False),
        (np.array([1, 0, 0, 0, 0, 0, 0, 0] + [1, 1] + [0] * 6), True),  # 3 of 16
        (np.array([[0.0, 1], [37.5, 1]]), True),  # the first column's mean
        (torch.tensor([100.0] * 3 + [0.0] * 13), True),
        (np.array([1, 0]), False),
        (np.array(["a", "b"]), False),
    ],
)
def test_a_number_is_found_as_text_and_as_a_mean(value: Any, is_found: bool) -> None:
    assert carrying.has_number(18.75)(value) == is_found


def test_arrays_and_their_files() -> None:
    assert carrying.is_measured(np.zeros(2)) and carrying.is_measured(torch.zeros(1, 2))
    assert carrying.is_measured(b"\x93NUMPY\x01") and not carrying.is_measured(b"text")
    assert not carrying.is_measured(torch.tensor(1.0)) and not carrying.is_measured([1.0])
