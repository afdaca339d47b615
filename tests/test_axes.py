"""Every tensor annotation of the library is written with the words of axes.py."""

import ast
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest
import torch

import coterie.axes
from coterie import Softmax
from coterie.axes import AXES
from coterie.routing.mutual_information import compute_mutual_information

SOURCE = Path(coterie.axes.__file__).parent
DTYPES = {"Bool", "Complex", "Float", "Inexact", "Int", "Integer", "Num", "Real", "Shaped", "UInt"}


def shapes(source: str) -> Iterator[tuple[int, str]]:
    """(line, shape) of each `Float[Tensor, "shape"]`, quoted annotations included."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Subscript(
                value=ast.Name(id=name),
                slice=ast.Tuple(elts=[_, ast.Constant(value=str(shape))]),
            ) if name in DTYPES:
                yield node.lineno, shape
            case ast.Constant(value=str(text)) if any(f"{name}[" in text for name in DTYPES):
                try:
                    yield from ((node.lineno, shape) for _, shape in shapes(text.strip()))
                except SyntaxError:
                    continue  # prose


def problems(shape: str) -> Iterator[str]:
    """What is wrong with one shape. "..." and "*word" stand for any number of axes, "#word" for one
    that may be broadcast, a number for itself."""
    words = [word for word in shape.split() if word != "..." and not word.isdigit()]
    yield from (f"{word!r} is no word of AXES" for word in words if word.lstrip("*#") not in AXES)
    if len(shape.split()) == 1 and not shape.startswith((" ", "*", "...")):
        yield "a one-axis shape begins with a space"


@pytest.mark.parametrize(
    "file", sorted(SOURCE.rglob("*.py")), ids=lambda file: str(file.relative_to(SOURCE))
)
def test_annotations_use_the_words_of_axes(file: Path) -> None:
    found = [
        f"line {line}, {shape!r}: {problem}"
        for line, shape in shapes(file.read_text())
        for problem in problems(shape)
    ]
    assert not found


def test_the_check_sees_what_is_wrong() -> None:
    source = 'def f(x: Float[Tensor, "tokens widht"], y: "Int[Tensor, \' seq\'] | None"): ...'
    assert list(shapes(source)) == [(1, "tokens widht"), (1, " seq")]
    assert list(problems("tokens widht")) == ["'widht' is no word of AXES"]
    assert list(problems("tokens")) == ["a one-axis shape begins with a space"]
    assert not list(problems("*units experts")) and not list(problems("")) and AXES


def test_shapes_are_checked_in_tests() -> None:
    with pytest.raises(jaxtyping.TypeCheckError, match="mass"):
        compute_mutual_information(torch.ones(2))  # tasks and experts are two axes
    with pytest.raises(jaxtyping.TypeCheckError, match="logits"):
        Softmax()(torch.ones(2, dtype=torch.int64), None)  # the module has a name of another's
