"""Importing coterie costs no more than importing PEFT: nothing heavy comes with it."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import coterie

PROGRAM = """
import json, sys, peft
before = set(sys.modules)
import coterie
first = sorted(set(sys.modules) - before)
registered = "COTERIE" in peft.PeftType.__members__
names = dir(coterie)
from coterie import serialization
metric = str(serialization.load({"is": "coterie.metrics:ExactMatch"}))
loaded = sorted(set(sys.modules) - before)
import coterie.train.run
kind = type(coterie.train).__name__
print(json.dumps({"first": first, "registered": registered, "names": names, "metric": metric,
                  "loaded": loaded, "kind": kind}))
"""
LAZY_PACKAGES = ("cli", "data", "datasets", "diagnose", "evaluate", "extract", "metrics", "models",
                 "report", "serve", "task_file", "tasks", "train")  # fmt: skip


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """What the program saw in a process of its own, which takes seconds to import PEFT."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_nothing_heavy_is_imported_with_coterie(found: dict[str, Any]) -> None:
    # Nothing of torch, transformers or a quantisation library that peft has not imported itself.
    assert {name.partition(".")[0] for name in found["first"]} <= {"coterie", "jaxtyping"}
    assert not {f"coterie.{name}" for name in LAZY_PACKAGES} & set(found["first"])
    assert found["registered"] and set(coterie.__all__) <= set(found["names"])
    # An import of a subpackage's file leaves the public function of the subpackage's name.
    assert found["kind"] == "function"


def test_load_imports_what_coterie_exports_and_no_other_file_of_it(found: dict[str, Any]) -> None:
    assert found["metric"] == "exact"
    file, other = "coterie.metrics.text.exact_match", "coterie.metrics.dense.ods_f"
    assert file in found["loaded"] and not {file, other} & set(found["first"])
    assert other not in found["loaded"]


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
