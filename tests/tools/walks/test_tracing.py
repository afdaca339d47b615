"""The files of a value's walk through a small package."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from walks.carrying import has_text
from walks.tracing import Walk

FILES = {
    "__init__.py": "",
    "start.py": (
        "from walked import around, box, check, end, receive, yields\n"
        "def start():\n"
        "    text = make()\n"
        "    around.around(len(text))\n"
        "    check.check(text)\n"
        "    receive.receive(text)\n"
        "    boxed = receive.hand(box.Box(text))\n"
        "    list(yields.yields(3))\n"
        "    model(boxed)\n"
        "    end.end()\n"
        "    late(text)\n"
        "def make():\n"
        "    return 'needle'\n"
        "def model(boxed):\n"
        "    from walked import inside\n"
        "    inside.inside(boxed)\n"
        "def late(text):\n"
        "    from walked import after\n"
        "    after.after(text)\n"
    ),
    "around.py": "def around(number):\n    return number\n",
    "check.py": "def check(text):\n    if not text:\n        raise ValueError\n",
    "receive.py": "def receive(text):\n    return text.upper() + text\n"
    "def hand(boxed):\n    return boxed\n",
    "yields.py": "def yields(count):\n    for _ in range(count):\n        yield 'needle'\n",
    "box.py": (
        "from dataclasses import dataclass\n@dataclass\nclass Box:\n    text: str\n"
        "    def __post_init__(self):\n        pass\n"
    ),
    "end.py": "def end():\n    pass\n",
    "inside.py": "def inside(text):\n    return text\n",
    "after.py": "def after(text):\n    return text\n",
}


@pytest.fixture
def walked(tmp_path: Path) -> Iterator[ModuleType]:
    folder = tmp_path / "walked"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    sys.path.insert(0, str(tmp_path))
    yield importlib.import_module("walked.start")
    sys.path.remove(str(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "walked"]:
        del sys.modules[name]


def test_files_that_receive_return_yield_or_define_it(walked: ModuleType, tmp_path: Path) -> None:
    walk = Walk(
        tmp_path / "walked",
        has_text("needle"),
        ends=lambda code: code.co_name == "end",
        is_inside=lambda frame: frame.f_code.co_name == "model",
    )
    with walk.recorded():
        walked.start()
    walked.start()
    # around.py has its length only, check.py looks at it, inside.py is in the model, after.py comes
    # after the end.
    assert walk.files == {
        "start.py": "make",
        "receive.py": "receive",
        "box.py": "Box",
        "yields.py": "yields",
    }


def test_without_an_end_or_a_model_all_counts(walked: ModuleType, tmp_path: Path) -> None:
    walk = Walk(tmp_path / "walked", has_text("needle"))
    with walk.recorded():
        walked.start()
    assert set(walk.files) == {
        f"{name}.py" for name in ("start", "receive", "box", "yields", "inside", "after")
    }


def test_the_profiler_before_is_back(walked: ModuleType, tmp_path: Path) -> None:
    before = sys.getprofile()
    with pytest.raises(ZeroDivisionError), Walk(tmp_path, has_text("x")).recorded():
        raise ZeroDivisionError
    assert sys.getprofile() is before
