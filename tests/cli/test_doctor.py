"""`coterie doctor` on machines that lack something, each made up."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from coterie.cli import checks
from coterie.cli.checks import Check
from tests.cli.calls import Calls

WANTED = [
    Requirement(text)
    for text in (
        "torch>=2.6",
        "peft>=0.21,<0.22",
        "numpy>=1.26; python_version < '3'",
        "jinja2>=3.1.6; extra == 'report'",
        "matplotlib>=3.9; extra == 'report'",
    )
]


Having = Callable[..., None]


@pytest.fixture
def having(monkeypatch: pytest.MonkeyPatch) -> Having:
    """`having(torch="2.13")` makes up which packages are installed."""

    def install(**versions: str) -> None:
        monkeypatch.setattr(checks, "get_installed_version", versions.get)

    return install


def test_lines() -> None:
    assert Check("torch", "ok", "2.13").format() == "ok      torch: 2.13"
    lines = Check("npm", "off", "gone", "install npm").format()
    assert lines == "off     npm: gone\n        -> install npm"


def test_core_packages(having: Having) -> None:
    having(torch="2.13.0+cpu", peft="0.21.2")
    good = checks.check_core_packages(WANTED)
    assert [each.status for each in good] == ["ok", "ok"]  # numpy's marker leaves it out here
    having(peft="0.22.0")
    torch, peft = checks.check_core_packages(WANTED)
    assert (torch.status, torch.details) == ("broken", "is not installed")
    assert torch.advice == "pip install 'torch>=2.6'"
    assert (peft.status, peft.details) == ("broken", "is 0.22.0, and <0.22,>=0.21 is needed")


def test_extras(having: Having) -> None:
    having(jinja2="3.1.6", matplotlib="3.8")
    (report,) = checks.check_extras(WANTED, ["report"])
    assert (report.status, report.details) == ("off", "matplotlib is 3.8, and >=3.9 is needed")
    assert report.advice == "pip install 'coterie[report]'"
    having(jinja2="3.1.6", matplotlib="3.9")
    (report,) = checks.check_extras(WANTED, ["report"])
    assert (report.status, report.advice) == ("ok", "")
    assert report.details == "jinja2 3.1.6; matplotlib 3.9"


def test_packages_of_families(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "find_spec", {"torchvision": True}.get)
    monkeypatch.setattr(checks, "try_import", lambda name: "operator nms does not exist")
    torchvision, _, words = checks.check_families()
    assert torchvision.status == "broken" and "nms" in torchvision.details
    assert torchvision.advice.startswith("pip uninstall torchvision")
    assert (words.status, words.details) == ("off", "not installed; smolvlm cannot be loaded")
    assert words.advice == "pip install 'coterie[families]'"
    monkeypatch.setattr(checks, "try_import", lambda name: "")
    assert [each.status for each in checks.check_families()] == ["ok", "off", "off"]
    monkeypatch.setattr(checks, "find_spec", {}.get)
    torchvision, *_ = checks.check_families()
    assert torchvision.status == "off" and "prepared with Pillow, videos" in torchvision.details


def test_imports() -> None:
    assert checks.try_import("json") == ""
    assert "No module named 'surely_not_there'" in checks.try_import("surely_not_there")


def test_the_machine() -> None:
    found = {each.subject: each.details for each in checks.check_machine()}
    assert found.keys() == {"processor", "memory", "disk", "bfloat16"}
    assert int(found["processor"].split()[0]) >= 1
    assert checks.get_free_disk_bytes(Path("/surely/not/there")) > 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"avx2", "avx512_bf16", "amx_bf16"}, "instructions for it (amx_bf16, avx512_bf16)"),
        ({"avx2"}, "no instructions for it"),
        (None, "does not say"),
    ],
)
def test_bfloat16(flags: set[str] | None, said: str) -> None:
    assert said in checks.check_bfloat16(flags)


def test_flags_are_read_from_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "FLAGS", tmp_path / "cpuinfo")
    assert checks.read_cpu_flags() is None
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nflags\t\t: fpu amx_bf16\n")
    assert checks.read_cpu_flags() == {"fpu", "amx_bf16"}
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nFeatures\t: fp bf16\n")
    assert checks.read_cpu_flags() == {"fp", "bf16"}
    (tmp_path / "cpuinfo").write_text("processor\t: 0\n")
    assert checks.read_cpu_flags() is None


def test_a_library_that_does_not_import() -> None:
    def load() -> None:
        raise RuntimeError("operator torchvision::nms does not exist\n")

    (found,) = checks.check_library(load)
    assert found.status == "broken"
    assert (
        found.details == "does not import: RuntimeError: operator torchvision::nms does not exist"
    )


def test_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_HOME", str(tmp_path / "home"))
    (home,) = checks.check_home()
    assert home.status == "ok" and home.details.startswith(f"{tmp_path / 'home'}, ")


def test_the_exit_code(coterie: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_HOME", str(tmp_path))

    def broken(*arguments: Any) -> list[Check]:
        return [Check(subject="peft", status="broken", details="gone", advice="install it")]

    monkeypatch.setattr(checks, "check_packages", broken)
    called = coterie("doctor")
    assert "\nok      home: " in called.out and "\noff     scenes: " in called.out
    assert called.code == 1 and called.out.startswith("broken  peft: gone\n        -> install it")
    assert called.err == "1 broken: do what the arrows say, then run it again\n"
