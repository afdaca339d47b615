"""Records the files through whose functions a followed value passes, in a real run."""

import inspect
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from walks.carrying import Test, carriers


class Walk:
    """The files that a value was in, in the order in which it came to them.

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
        elif self._inside:
            if event == "return" and frame is self._inside[-1]:
                self._inside.pop()
        elif event == "call" and self._is_inside(frame):
            self._inside.append(frame)
        elif self._counts(frame.f_code.co_filename):
            values = _arguments(frame) if event == "call" else (arg,)
            for value in values:
                self._note(frame.f_code, value)

    def _note(self, code: CodeType, value: Any) -> None:
        found = carriers(value, self._test)
        if found:
            self._add(code.co_filename, code.co_qualname)
        for each in found:
            module = sys.modules.get(type(each).__module__)
            self._add(getattr(module, "__file__", None) or "", type(each).__name__)

    def _add(self, file: str, name: str) -> None:
        if self._counts(file):
            self.files.setdefault(file.removeprefix(self._package), name)

    def _counts(self, file: str) -> bool:
        """Templates are compiled to functions, too, but are no source files."""
        return file.startswith(self._package) and file.endswith(".py")


def _arguments(frame: FrameType) -> list[Any]:
    """What a function was called with."""
    code, values = frame.f_code, frame.f_locals
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    return [values[name] for name in code.co_varnames[:count] if name in values]
