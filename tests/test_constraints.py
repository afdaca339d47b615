"""constraints-oldest.txt holds the lowest versions that the bounds of both distributions allow."""

import tomllib
from itertools import chain
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
NOT_RUN = {"torch", "timm", "av", "onnx", "onnxruntime", "onnxscript"}
"""Torch's lowest version ran on a GPU only; timm needs torchvision; PyAV, of 30 MB, and the extra
`onnx`, of 50 MB, are not installed for tests: those of the extra were run where it is."""


def read_pins(name: str) -> dict[str, Version]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): Version(version) for name, version in pairs}


def read_lower_bounds() -> dict[str, Version]:
    found: dict[str, Version] = {}
    for folder in (ROOT, ROOT / "src" / "coterie_demo"):
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        extras = project["optional-dependencies"].values()
        for wanted in map(Requirement, chain(project["dependencies"], *extras)):
            for each in wanted.specifier:
                if each.operator == ">=":
                    version = Version(each.version)
                    assert found.setdefault(canonicalize_name(wanted.name), version) == version
    return found


def test_the_lowest_versions_are_those_that_are_run() -> None:
    bounds, pins = read_lower_bounds(), read_pins("constraints-oldest.txt")
    assert len(bounds) > 30
    for name in bounds.keys() - NOT_RUN:
        assert pins[name] == bounds[name], name


def test_torch_is_the_same_everywhere() -> None:
    names = ("constraints.txt", "constraints-oldest.txt", "constraints-newest.txt")
    assert len({read_pins(name)["torch"] for name in names}) == 1
