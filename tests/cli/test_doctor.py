"""`coterie doctor` on machines that lack something, each made up."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from coterie.cli.checks import machine, packages
from coterie.cli.checks.check import Check
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


def having(**versions: str) -> Callable[[str], str | None]:
    return versions.get


def test_lines() -> None:
    assert Check(subject="torch", status="ok", details="2.13").format() == "ok      torch: 2.13"
    lines = Check(subject="npm", status="off", details="gone", advice="install npm").format()
    assert lines == "off     npm: gone\n        -> install npm"


def test_core_packages() -> None:
    good = packages.check_core_packages(WANTED, having(torch="2.13.0+cpu", peft="0.21.2"))
    assert [each.status for each in good] == ["ok", "ok"]  # numpy's marker leaves it out here
    torch, peft = packages.check_core_packages(WANTED, having(peft="0.22.0"))
    assert (torch.status, torch.details) == ("broken", "is not installed")
    assert torch.advice == "pip install 'torch>=2.6'"
    assert (peft.status, peft.details) == ("broken", "is 0.22.0, and <0.22,>=0.21 is needed")


def test_extras() -> None:
    (report,) = packages.check_extras(WANTED, ["report"], having(jinja2="3.1.6", matplotlib="3.8"))
    assert (report.status, report.details) == ("off", "matplotlib is 3.8, and >=3.9 is needed")
    assert report.advice == "pip install 'coterie[report]'"
    (report,) = packages.check_extras(WANTED, ["report"], having(jinja2="3.1.6", matplotlib="3.9"))
    assert (report.status, report.advice) == ("ok", "")


def test_traps() -> None:
    def there(name: str) -> object:
        return True if name == "torchvision" else None

    torchvision, timm = packages.check_conflicting_packages(
        there, lambda name: "operator nms does not exist"
    )
    assert torchvision.status == "broken" and "nms" in torchvision.details
    assert torchvision.advice.startswith("pip uninstall torchvision")
    assert timm.status == "ok"
    assert [
        each.status for each in packages.check_conflicting_packages(there, lambda name: "")
    ] == ["ok", "ok"]


def test_imports() -> None:
    assert packages.try_import("json") == ""
    assert "No module named 'surely_not_there'" in packages.try_import("surely_not_there")


def test_the_machine() -> None:
    found = {each.subject: each.details for each in machine.check_machine()}
    assert found.keys() == {"processor", "memory", "disk", "bfloat16"}
    assert int(found["processor"].split()[0]) >= 1
    assert machine.get_free_disk_bytes(Path("/surely/not/there")) > 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"avx2", "avx512_bf16", "amx_bf16"}, "instructions for it (amx_bf16, avx512_bf16)"),
        ({"avx2"}, "no instructions for it"),
        (None, "does not say"),
    ],
)
def test_bfloat16(flags: set[str] | None, said: str) -> None:
    assert said in machine.check_bfloat16(flags)


def test_flags_are_read_from_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "FLAGS", tmp_path / "cpuinfo")
    assert machine.read_cpu_flags() is None
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nflags\t\t: fpu amx_bf16\n")
    assert machine.read_cpu_flags() == {"fpu", "amx_bf16"}
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nFeatures\t: fp bf16\n")
    assert machine.read_cpu_flags() == {"fp", "bf16"}
    (tmp_path / "cpuinfo").write_text("processor\t: 0\n")
    assert machine.read_cpu_flags() is None


def test_a_library_that_does_not_import() -> None:
    def load() -> None:
        raise RuntimeError("operator torchvision::nms does not exist\n")

    (found,) = machine.check_library(load)
    assert found.status == "broken"
    assert (
        found.details == "does not import: RuntimeError: operator torchvision::nms does not exist"
    )


def test_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_HOME", str(tmp_path / "home"))
    (home,) = machine.check_home()
    assert home.status == "ok" and home.details.startswith(f"{tmp_path / 'home'}, ")


def test_the_exit_code(coterie: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_HOME", str(tmp_path))

    def broken(*arguments: Any) -> list[Check]:
        return [Check(subject="peft", status="broken", details="gone", advice="install it")]

    monkeypatch.setattr(packages, "check_packages", broken)
    called = coterie("doctor")
    assert "\nok      home: " in called.out and "\noff     scenes: " in called.out
    assert called.code == 1 and called.out.startswith("broken  peft: gone\n        -> install it")
    assert called.err == "1 broken: do what the arrows say, then run it again\n"
