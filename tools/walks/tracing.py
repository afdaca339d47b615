"""Records the files through whose functions a followed value passes, in a real run."""

import inspect
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from walks.carrying import Test, carriers

CONSTRUCTOR = "__init__"
"""Keeps what it is handed."""


@dataclass(eq=False)
class _Call:
    """A running call: the places that had the value when it began, and whether it went on."""

    frame: FrameType
    places: dict[str, str] = field(default_factory=dict)
    goes_on: bool = False


class Walk:
    """The files that a value went through, in the order in which it left them.

    A call takes the value further if it is handed it, and gives it back or yields it, keeps it as
    a constructor does, or hands it to a call that takes it further; or if it makes the value and
    gives it back. A check, which only looks, does not.

    Attributes:
        files: path below the package's folder -> the first function or class there that had it.
    """

    def __init__(
        self,
        package: Path,
        test: Test,
        *,
        ends: Callable[[CodeType], bool] = lambda code: False,
        is_inside: Callable[[FrameType], bool] = lambda frame: False,
    ) -> None:
        """Prepare to follow a value.

        Args:
            package: folder of the package whose files count.
            test: whether a value is the followed one.
            ends: the walk is over when a function of this code is called.
            is_inside: what runs in such a frame, and below it, is not part of the walk.
        """
        self.files: dict[str, str] = {}
        self._package = f"{package}/"
        self._test, self._ends, self._is_inside = test, ends, is_inside
        self._inside: list[FrameType] = []
        self._calls = threading.local()
        self._is_over = False

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Follow the value while the block runs, in threads that it starts, too."""
        before = sys.getprofile()
        threading.setprofile(self._on_event)
        sys.setprofile(self._on_event)
        try:
            yield
        finally:
            sys.setprofile(before)
            threading.setprofile(before)  # type: ignore[arg-type]

    def _on_event(self, frame: FrameType, event: str, arg: Any) -> None:
        if self._is_over or event not in ("call", "return"):
            return
        if event == "call" and self._ends(frame.f_code):
            self._is_over = True
            for call in self._stack:  # the value is on its way through them
                self._add(call.places)
        elif self._inside:
            if event == "return" and frame is self._inside[-1]:
                self._inside.pop()
        elif event == "call" and self._is_inside(frame):
            self._inside.append(frame)
        elif self._counts(frame.f_code.co_filename):
            self._on_call(frame) if event == "call" else self._on_return(frame, arg)

    def _on_call(self, frame: FrameType) -> None:
        self._stack.append(_Call(frame, self._find_places(frame.f_code, _arguments(frame))))

    def _on_return(self, frame: FrameType, result: Any) -> None:
        stack = self._stack
        while stack and stack[-1].frame is not frame:  # calls that an exception or the end cut off
            stack.pop()
        if not stack:
            return
        call = stack.pop()
        given_back = self._find_places(frame.f_code, (result,))
        keeps = bool(call.places) and frame.f_code.co_name == CONSTRUCTOR
        if given_back or keeps or (call.places and call.goes_on):
            self._add(call.places | given_back)
            if stack:
                stack[-1].goes_on = True

    def _add(self, places: dict[str, str]) -> None:
        for file, name in places.items():
            self.files.setdefault(file, name)

    @property
    def _stack(self) -> list[_Call]:
        """The running calls of this thread, innermost last."""
        if not hasattr(self._calls, "stack"):
            self._calls.stack = []
        return self._calls.stack

    def _find_places(self, code: CodeType, values: Iterable[Any]) -> dict[str, str]:
        """Return file -> function or class of a call and of the classes that hold the value."""
        places: dict[str, str] = {}
        for value in values:
            found = carriers(value, self._test)
            names = [(code.co_filename, code.co_qualname)] if found else []
            for each in found:
                module = sys.modules.get(type(each).__module__)
                names.append((getattr(module, "__file__", None) or "", type(each).__name__))
            for file, name in names:
                if self._counts(file):
                    places.setdefault(file.removeprefix(self._package), name)
        return places

    def _counts(self, file: str) -> bool:
        """Templates are compiled to functions, too, but are no source files."""
        return file.startswith(self._package) and file.endswith(".py")


def _arguments(frame: FrameType) -> list[Any]:
    """What a function was called with."""
    code, values = frame.f_code, frame.f_locals
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    return [values[name] for name in code.co_varnames[:count] if name in values]
