"""Whether a value carries the one that a walk follows."""

import dataclasses
import re
from collections import UserDict
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import torch

Test = Callable[[Any], bool]
"""Whether a value is the followed one in one of its forms; `carriers` searches its parts."""

MAX_DEPTH = 6
MAX_PARTS = 16
"""How deep into a value and how far along a container it is searched."""


def carriers(value: Any, test: Test, depth: int = MAX_DEPTH) -> tuple[Any, ...]:
    """The value followed and what it lies in, outermost first; empty if it is not in `value`.

    Only values are searched: containers and dataclasses. A trainer or a model holds everything,
    and being handed one is not being handed what it holds.
    """
    if test(value):
        return (value,)
    if depth == 0:
        return ()
    for part in islice(_parts(value), MAX_PARTS):
        found = carriers(part, test, depth - 1)
        if found:
            return (value, *found)
    return ()


def has_text(*markers: str) -> Test:
    """Text that contains one of `markers`."""
    return lambda value: isinstance(value, str) and any(marker in value for marker in markers)


def has_token(token: int) -> Test:
    """A list or tensor of integers with `token` among them."""

    def test(value: Any) -> bool:
        if isinstance(value, torch.Tensor):
            return value.dtype == torch.int64 and bool((value == token).any())
        return isinstance(value, list) and any(
            isinstance(each, int) and each == token for each in value[:1000]
        )

    return test


def is_loss(value: Any) -> bool:
    """A float tensor of at most two axes with a gradient: losses of tokens, samples or tasks."""
    return (
        isinstance(value, torch.Tensor)
        and value.grad_fn is not None
        and value.is_floating_point()
        and value.ndim <= 2
    )


def has_number(number: float) -> Test:
    """The number, text that shows it, or per-item values of which it is the mean."""
    shown = re.compile(rf"(?<![\d.]){re.escape(f'{number:g}')}(?![\d.]*\d)")

    def test(value: Any) -> bool:
        if isinstance(value, float):
            return abs(value - number) < 1e-9
        if isinstance(value, str):
            return bool(shown.search(value))
        if isinstance(value, torch.Tensor):
            value = value.detach().numpy() if value.device.type == "cpu" else None
        return isinstance(value, np.ndarray) and value.ndim > 0 and _is_mean(value, number)

    return test


def is_measured(value: Any) -> bool:
    """An array or tensor with axes, of numbers or pixels and not of places, or a file's bytes."""
    if isinstance(value, np.ndarray):
        return value.ndim > 0 and (value.dtype.kind == "f" or value.dtype == np.uint8)
    if isinstance(value, torch.Tensor):
        return value.ndim > 0 and (value.is_floating_point() or value.dtype == torch.uint8)
    return isinstance(value, bytes) and value.startswith((b"\x93NUMPY", b"\x89PNG"))


def any_of(*tests: Test) -> Test:
    """One of the tests."""
    return lambda value: any(test(value) for test in tests)


def _is_mean(values: np.ndarray, number: float) -> bool:
    """Whether `number`, or a hundredth of it, is the mean along the first axis somewhere."""
    if values.dtype.kind not in "fiub" or len(values) < 2:
        return False
    means = np.atleast_1d(values.mean(axis=0, dtype=np.float64))
    return bool((np.isclose(means, number) | np.isclose(means, number / 100)).any())


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | UserDict):
        yield from value
        yield from value.values()
    elif isinstance(value, list | tuple | set | frozenset):  # others may read files to answer
        yield from value
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield getattr(value, field.name, None)
