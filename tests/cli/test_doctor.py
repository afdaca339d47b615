"""`coterie doctor` on machines that lack something, each made up."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from coterie.cli import fetched, machine, packages
from coterie.cli.finding import Finding
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
    assert Finding(what="torch", state="ok", said="2.13").line() == "ok      torch: 2.13"
    lines = Finding(what="npm", state="off", said="gone", advice="install npm").line()
    assert lines == "off     npm: gone\n        -> install npm"


def test_core_packages() -> None:
    good = packages.core(WANTED, having(torch="2.13.0+cpu", peft="0.21.2"))
    assert [each.state for each in good] == ["ok", "ok"]  # numpy's marker leaves it out here
    torch, peft = packages.core(WANTED, having(peft="0.22.0"))
    assert (torch.state, torch.said) == ("broken", "is not installed")
    assert torch.advice == "pip install 'torch>=2.6'"
    assert (peft.state, peft.said) == ("broken", "is 0.22.0, and <0.22,>=0.21 is needed")


def test_extras() -> None:
    (report,) = packages.extras(WANTED, ["report"], having(jinja2="3.1.6", matplotlib="3.8"))
    assert (report.state, report.said) == ("off", "matplotlib is 3.8, and >=3.9 is needed")
    assert report.advice == "pip install 'coterie[report]'"
    (report,) = packages.extras(WANTED, ["report"], having(jinja2="3.1.6", matplotlib="3.9"))
    assert (report.state, report.advice) == ("ok", "")


def test_traps() -> None:
    def there(name: str) -> object:
        return True if name == "torchvision" else None

    torchvision, timm = packages.traps(there, lambda name: "operator nms does not exist")
    assert torchvision.state == "broken" and "nms" in torchvision.said
    assert torchvision.advice.startswith("pip uninstall torchvision")
    assert timm.state == "ok"
    assert [each.state for each in packages.traps(there, lambda name: "")] == ["ok", "ok"]


def test_imports() -> None:
    assert packages.imports("json") == ""
    assert "No module named 'surely_not_there'" in packages.imports("surely_not_there")


def test_the_machine() -> None:
    found = {each.what: each.said for each in machine.machine()}
    assert found.keys() == {"processor", "memory", "disk", "bfloat16"}
    assert int(found["processor"].split()[0]) >= 1
    assert machine.disk_free(Path("/surely/not/there")) > 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"avx2", "avx512_bf16", "amx_bf16"}, "instructions for it (amx_bf16, avx512_bf16)"),
        ({"avx2"}, "no instructions for it"),
        (None, "does not say"),
    ],
)
def test_bfloat16(flags: set[str] | None, said: str) -> None:
    assert said in machine.bfloat16(flags)


def test_flags_are_read_from_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "FLAGS", tmp_path / "cpuinfo")
    assert machine.flags() is None
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nflags\t\t: fpu amx_bf16\n")
    assert machine.flags() == {"fpu", "amx_bf16"}
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nFeatures\t: fp bf16\n")
    assert machine.flags() == {"fp", "bf16"}
    (tmp_path / "cpuinfo").write_text("processor\t: 0\n")
    assert machine.flags() is None


def test_a_library_that_does_not_import() -> None:
    def load() -> None:
        raise RuntimeError("operator torchvision::nms does not exist\n")

    (found,) = machine.library(load)
    assert found.state == "broken"
    assert found.said == "does not import: RuntimeError: operator torchvision::nms does not exist"


def test_what_was_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path))
    found = {each.what: each for each in fetched.fetched()}
    assert found["pantry"].state == "off" and found["pantry"].advice == "coterie fetch pantry"
    assert found["npm"].state == found["apt-get"].state == "off"
    (tmp_path / "home" / "pantry").mkdir(parents=True)
    (tmp_path / "home" / "pantry" / "tasks.yaml").write_text("tasks: []")
    found = {each.what: each for each in fetched.fetched()}
    assert found["pantry"].said == "fetched, 1 files, 0.00 GiB"


def test_scenes_that_were_rendered(tmp_path: Path) -> None:
    folder = tmp_path / "scenes"
    none = fetched.scenes(folder)
    assert (none.state, none.advice) == ("off", "coterie fetch scenes")
    assert none.said == "not rendered; only dense tasks need them"
    (folder / "test").mkdir(parents=True)
    (folder / "scenes.json").write_text('{"train": 0, "validation": 0, "test": 2}')
    (folder / "test" / "000000.npz").write_bytes(b"")
    assert fetched.scenes(folder).said == "1 of 2 rendered"
    (folder / "test" / "000001.npz").write_bytes(b"")
    assert fetched.scenes(folder).said == "rendered, 3 files, 0.00 GiB"
    (folder / "scenes.json").write_text('{"train": 0}')
    damaged = fetched.scenes(folder)
    assert damaged.state == "off" and "is damaged (KeyError('validation'))" in damaged.said


def test_the_exit_code(coterie: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any) -> list[Finding]:
        return [Finding(what="peft", state="broken", said="gone", advice="install it")]

    monkeypatch.setattr(packages, "packages", broken)
    called = coterie("doctor")
    assert called.code == 1 and called.out.startswith("broken  peft: gone\n        -> install it")
    assert called.err == "1 broken: do what the arrows say, then run it again\n"
