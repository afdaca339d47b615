"""The commands themselves; a script on PATH stands in for each program."""

import errno
import io
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from coterie_demo.clients import APT, NPM, PIP
from coterie_demo.download import DownloadError, download, unpack
from tests.demo.stand_in import package

SCRIPT = """#!{python}
import pathlib, sys
pathlib.Path("thing-1.0.txt").write_bytes(b"words")
pathlib.Path({seen!r}).write_text(" ".join(sys.argv[1:]))
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one folder of PATH; write programs into it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def write(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(0o755)


@pytest.mark.parametrize(
    ("client", "name", "arguments"),
    [
        (NPM, "npm", "pack --loglevel=error --ignore-scripts thing@1.0"),
        (APT, "apt-get", "download --quiet thing=1.0"),
    ],
)
def test_a_program_on_the_path_is_run_as_it_is(client, name, arguments, program, tmp_path) -> None:
    seen = tmp_path / "seen"
    write(program / name, SCRIPT.format(python=sys.executable, seen=str(seen)))
    assert download(package(client), log=str).read_bytes() == b"words"
    assert seen.read_text() == arguments


def test_pip_is_the_running_pythons_own(program, tmp_path, monkeypatch) -> None:
    seen = tmp_path / "seen"
    write(program / "python", SCRIPT.format(python=sys.executable, seen=str(seen)))
    monkeypatch.setattr(sys, "executable", str(program / "python"))
    assert download(package(PIP), log=str).read_bytes() == b"words"
    command = seen.read_text()
    assert command.startswith("-m pip download ")
    assert command.endswith(" --no-deps --only-binary :all: thing==1.0")


def test_a_python_without_pip_is_told_how_to_get_it(program, monkeypatch) -> None:
    script = f"#!{sys.executable}\nimport sys\nsys.exit('/x/python: No module named pip')\n"
    write(program / "python", script)
    monkeypatch.setattr(sys, "executable", str(program / "python"))
    with pytest.raises(DownloadError, match=r"the thing\) cannot.*no pip module.*uv pip install"):
        download(package(PIP), log=str)


@pytest.mark.parametrize(
    ("client", "words"),
    [
        (NPM, "npm is not installed: install Node.js, or Debian's package `npm`"),
        (APT, "apt-get is not installed: this part needs Debian"),
    ],
)
def test_a_missing_program_is_told_with_what_to_install(client, words, program) -> None:
    with pytest.raises(DownloadError, match=rf"thing 1.0 \(the thing\) cannot be fetched: {words}"):
        download(package(client), log=str)


def test_a_wheel_opens_as_a_zip_file(tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as archive:
        archive.writestr("inside/a.txt", "a")
    PIP.unpack(tmp_path / "x.whl", tmp_path / "out")
    assert (tmp_path / "out" / "inside" / "a.txt").read_text() == "a"


def test_an_npm_package_opens_as_a_tar_file_that_cannot_leave_its_folder(tmp_path) -> None:
    for name in ("package/a.txt", "../outside.txt"):
        with tarfile.open(tmp_path / "x.tgz", "w:gz") as archive:
            entry = tarfile.TarInfo(name)
            entry.size = 1
            archive.addfile(entry, io.BytesIO(b"a"))
        if name.startswith("package"):
            NPM.unpack(tmp_path / "x.tgz", tmp_path / "out")
            assert (tmp_path / "out" / "package" / "a.txt").read_text() == "a"
        else:
            with pytest.raises(tarfile.OutsideDestinationError):
                NPM.unpack(tmp_path / "x.tgz", tmp_path / "out")


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="no Debian")
def test_a_debian_package_opens_without_being_installed(tmp_path) -> None:
    import subprocess

    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(
        "Package: thing\nVersion: 1.0\nArchitecture: all\nMaintainer: a <a@b>\nDescription: x\n"
    )
    (tree / "usr").mkdir()
    (tree / "usr" / "a.txt").write_text("a")
    made = tmp_path / "thing.deb"
    subprocess.run(["dpkg-deb", "-b", str(tree), str(made)], check=True, capture_output=True)
    APT.unpack(made, tmp_path / "out")
    assert (tmp_path / "out" / "usr" / "a.txt").read_text() == "a"


def test_a_debian_package_that_does_not_open(program, tmp_path) -> None:
    said = "#!{}\nimport sys\nsys.exit('dpkg-deb: error: {}')\n"
    write(program / "dpkg-deb", said.format(sys.executable, "not a Debian format archive"))
    with pytest.raises(ValueError, match=r"^thing.deb cannot be opened: dpkg-deb: error: not a D"):
        APT.unpack(tmp_path / "thing.deb", tmp_path)
    full = "failed to write (No space left on device)"
    write(program / "dpkg-deb", said.format(sys.executable, full))
    with pytest.raises(OSError, match="No space left on device") as caught:
        APT.unpack(tmp_path / "thing.deb", tmp_path)
    assert caught.value.errno == errno.ENOSPC


def test_without_dpkg_a_debian_package_is_refused_in_words(program, tmp_path) -> None:
    with pytest.raises(ValueError, match=r"dpkg-deb is not installed, and thing.deb cannot"):
        APT.unpack(tmp_path / "thing.deb", tmp_path)


def test_unpack_downloads_first(program, tmp_path) -> None:
    write(program / "npm", f"#!{sys.executable}\nopen('thing-1.0.txt', 'wb').write(b'no tar')\n")
    with pytest.raises(tarfile.ReadError):
        unpack(package(NPM, b"no tar"), tmp_path / "out", log=str)
