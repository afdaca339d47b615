"""Every recipe is exported to something that runs without coterie, or refused with the reason."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.extract.recipe_exports import (
    DENSE,
    FORMATS,
    TEXT_FORMATS,
    make_model,
    try_formats,
    write_case,
)
from tests.recipes.test_recipes import NAMES

SCRIPT = Path(__file__).with_name("recipes_elsewhere.py")
PAGE = Path(__file__).parents[2] / "docs" / "guides" / "extract.md"
HEAD = "| recipe | exports | why no other |"


def read_table() -> dict[str, tuple[str, ...]]:
    """Recipe -> the formats that the guide says it has."""
    table = PAGE.read_text().partition(HEAD)[2].partition("\n\n")[0]
    found = {}
    for row in table.splitlines()[2:]:
        names, formats, _ = (cell.strip() for cell in row.strip("| ").split(" | "))
        own = tuple(each.strip("` ") for each in formats.split(",") if "`" in each)
        found |= {name.strip("` "): own for name in names.split(",")}
    return found


def test_the_guide_has_all_recipes() -> None:
    assert sorted(read_table()) == NAMES


@pytest.mark.parametrize("name", [name for name in NAMES if name not in DENSE])
def test_exports_and_reasons(name: str, tmp_path: Path) -> None:
    found = dict(try_formats(name, make_model(name), tmp_path, TEXT_FORMATS))
    written = tuple(format for format, problem in found.items() if problem is None)
    assert written == read_table()[name], found


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """ "recipe format" -> largest difference, from one process that cannot import coterie."""
    folder, cases = tmp_path_factory.mktemp("recipes"), []
    for name in NAMES:
        if name in DENSE and find_spec("onnxruntime") is None:
            continue
        (folder / name).mkdir()
        cases += write_case(name, make_model(name), folder / name)
    (folder / "cases.json").write_text(json.dumps(cases))
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder)],
        env=environment, cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "errors.json").read_text())


@pytest.mark.slow
@pytest.mark.usefixtures("unchecked")  # shapes are symbols while a graph is traced
@pytest.mark.parametrize("name", NAMES)
def test_answers_on_fifty_samples(name: str, request: pytest.FixtureRequest) -> None:
    if name in DENSE:
        pytest.importorskip("onnxruntime")
    import jaxtyping

    jaxtyping.config.update("jaxtyping_disable", True)  # before the fixture of all recipes
    errors = request.getfixturevalue("errors")
    expected = {f"{name} {format}" for format in read_table()[name]}
    own = {case: error for case, error in errors.items() if case.split()[0] == name}
    assert own.keys() == expected
    assert all(error < 1e-4 for error in own.values()), own
    assert set(read_table()[name]) <= set(FORMATS[name])
