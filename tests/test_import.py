"""Importing coterie costs no more than importing PEFT: nothing heavy comes with it."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import coterie

PROGRAM = """
import json, sys, peft
before = set(sys.modules)
import coterie
first = sorted(set(sys.modules) - before)
registered = "COTERIE" in peft.PeftType.__members__
names = dir(coterie)
import coterie.train.run
print(json.dumps([first, registered, names, type(coterie.train).__name__]))
"""
LAZY_PACKAGES = ("cli", "data", "datasets", "diagnose", "evaluate", "extract", "metrics", "models",
                 "report", "serve", "task_file", "tasks", "train")  # fmt: skip


def test_nothing_heavy_is_imported_with_coterie() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, registered, names, kind = json.loads(done.stdout)
    # Nothing of torch, transformers or a quantisation library that peft has not imported itself.
    assert {name.partition(".")[0] for name in first} <= {"coterie", "jaxtyping"}
    assert not {f"coterie.{name}" for name in LAZY_PACKAGES} & set(first)
    assert registered and set(coterie.__all__) <= set(names)
    # An import of a subpackage's file leaves the public function of the subpackage's name.
    assert kind == "function"


def test_every_name_of_the_public_surface_is_there() -> None:
    assert len(set(coterie.__all__)) == len(coterie.__all__)
    for name in coterie.__all__:
        assert getattr(coterie, name) is not None
    with pytest.raises(AttributeError, match="module 'coterie' has no attribute 'trian'"):
        coterie.trian  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]


def test_editors_see_the_names_that_are_imported_on_first_use() -> None:
    tree = ast.parse(Path(coterie.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]  # if TYPE_CHECKING
    seen = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == coterie._LAZY
