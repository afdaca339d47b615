"""Sizes of functions, and class names that stand twice."""

from pathlib import Path

from structure.functions import find_repeated_classes, measure_functions

from tests.tools.packages import read

TEXT = '''\
class A:
    def method(self, a, b, *rest, c=1, **more):
        """A docstring
        of two lines."""
        if a:
            return 1
        elif b:
            return 2
        for _ in rest:
            pass
        return 3

    @staticmethod
    def static(a):
        return a


def plain(x):
    try:
        y = x
    except ValueError:
        y = 1
    except TypeError:
        y = 2
    else:
        y = 3
    match y:
        case 1:
            return 1
        case 2 | 3:
            return 2
        case _:
            def inner():
                while y:
                    pass
            return inner
'''


def test_functions_are_measured(tmp_path: Path) -> None:
    _, file = read(tmp_path, {"a.py": TEXT})
    found = {size.place.split()[1]: size for size in measure_functions([file])}
    assert set(found) == {"method", "static", "plain", "inner"}
    # 1, if, elif, for; a, b, c; ten lines from def to return, two of them docstring.
    method = found["method"]
    assert (method.complexity, method.num_arguments, method.num_lines) == (4, 3, 8)
    assert found["static"].num_arguments == 1
    # 1, two handlers, else, two cases and no more for `case _`, the function inside and its while.
    assert found["plain"].complexity == 8 and found["inner"].complexity == 2
    assert method.place == "src/coterie/a.py:2 method"


def test_class_names_that_stand_twice(tmp_path: Path) -> None:
    files = {"a.py": "class A: ...\nclass B: ...\n", "b.py": "def f():\n    class A: ...\n"}
    found = find_repeated_classes(read(tmp_path, files))
    assert found == {"A": ("src/coterie/a.py:1", "src/coterie/b.py:2")}
