import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import pytest

from coterie_demo import download as module
from coterie_demo.download import DownloadError, download
from tests.demo.stand_in import StandIn, package

WRITES = "open('thing-1.0.txt', 'wb').write(b'words')"


def fails(words: str) -> StandIn:
    return StandIn(f"import sys; sys.exit({words!r})")


def test_a_package_is_fetched_once_and_then_offline(own_home: Path) -> None:
    lines: list[str] = []
    first = download(package(StandIn(WRITES)), log=lines.append)
    assert first == own_home / "downloads" / "thing-1.0.txt"
    assert first.read_bytes() == b"words"
    assert lines == ["fetching thing 1.0 with stand-in: 0.0 MB, MIT"]
    assert download(package(fails("no network")), log=lines.append) == first
    assert len(lines) == 1


def test_a_kept_file_whose_bytes_changed_is_fetched_again() -> None:
    kept = download(package(StandIn(WRITES)), log=str)
    kept.write_bytes(b"wards")
    assert download(package(StandIn(WRITES)), log=str).read_bytes() == b"words"


def test_a_read_only_home_that_has_it_all_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = download(package(StandIn(WRITES)), log=str)

    def refuse() -> Path:
        raise ValueError("read-only")

    monkeypatch.setattr(module, "make_cache_dir", refuse)
    assert download(package(fails("")), log=str) == kept


def test_other_bytes_are_thrown_away_and_both_hashes_named(own_home: Path) -> None:
    script = "open('thing-1.0.txt', 'wb').write(b'wards')"
    found, pinned = package(StandIn(script), b"wards").sha256, package(StandIn(script)).sha256
    with pytest.raises(DownloadError) as caught:
        download(package(StandIn(script)), log=str)
    words = f"thing-1.0.txt has sha256 {found}, and {pinned} is pinned: "
    assert str(caught.value).startswith(words)
    assert "Fetch again" in str(caught.value)
    assert not (own_home / "downloads" / "thing-1.0.txt").exists()


def test_another_file_is_refused() -> None:
    with pytest.raises(DownloadError, match=r"brought \['other'\] and not thing-1.0.txt"):
        download(package(StandIn("open('other', 'w')")), log=str)


def test_a_kill_half_way_leaves_no_half_and_the_next_call_starts_again(own_home: Path) -> None:
    slow = "open('thing-1.0.txt', 'wb').write(b'wor'); import time; time.sleep(60)"
    # The two packages are stand-ins, for theirs would import torch: the child starts at once.
    program = (
        "import sys, types\n"
        "for name, path in (('coterie', sys.argv[1]), ('coterie_demo', sys.argv[2])):\n"
        "    sys.modules[name] = types.ModuleType(name)\n"
        "    sys.modules[name].__path__ = [path]\n"
        "from coterie_demo.download import download\n"
        "from tests.demo.stand_in import StandIn, package\n"
        f"download(package(StandIn({slow!r})), log=str)\n"
    )
    source = Path(module.__file__).parent
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(source.with_name("coterie")), str(source)],
        start_new_session=True,
    )
    half = own_home / "downloads" / ".thing-1.0.txt.partial" / "thing-1.0.txt"
    for _ in range(2400):
        if half.exists() and half.stat().st_size == 3:
            break
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert half.read_bytes() == b"wor"
    assert not (own_home / "downloads" / "thing-1.0.txt").exists()
    assert download(package(StandIn(WRITES)), log=str).read_bytes() == b"words"
    assert not half.exists()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("[Errno -3] Temporary failure in name resolution", "there is no network"),
        ("npm error code ENOTFOUND", "there is no network"),
        ("Temporary failure resolving 'a.mirror'", "there is no network"),
        ("ERROR: No matching distribution found for thing", "stand-in does not find it; see that"),
        ("npm error code ETARGET", "stand-in does not find it"),
        ("E: Unable to locate package thing", "stand-in does not find it"),
        ("something else", "stand-in ended with status 1"),
    ],
)
def test_why_a_client_failed_is_said_in_words_and_in_its_own(said: str, why: str) -> None:
    with pytest.raises(DownloadError) as caught:
        download(package(fails(said)), log=str)
    assert str(caught.value).startswith(f"thing 1.0 (the thing) cannot be fetched: {why}")
    assert str(caught.value).endswith(f"Output:\n  {said}")


def test_a_client_that_fails_in_silence() -> None:
    with pytest.raises(DownloadError, match=r"status 3. Output:\n  \(no output\)"):
        download(package(StandIn("import sys; sys.exit(3)")), log=str)


@pytest.mark.parametrize("said", ["No space left on device", "npm error code ENOSPC"])
def test_a_disk_that_fills_under_the_client(said: str) -> None:
    with pytest.raises(DownloadError, match=r"\(the disk is full\).*set COTERIE_HOME"):
        download(package(fails(said)), log=str)


def test_a_disk_that_fills_under_us(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "commit", full)
    with pytest.raises(DownloadError, match=r"\(the disk is full\).*make room"):
        download(package(StandIn(WRITES)), log=str)


def test_another_failure_of_the_disk_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(module, "commit", broken)
    with pytest.raises(DownloadError, match=r"cannot be stored in .*Input/output error; set COT"):
        download(package(StandIn(WRITES)), log=str)


def test_too_small_a_disk_is_told_before_anything_is_fetched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 150_000_000))
    # Twice 100 MB are needed, the client's copy and ours, and 150 MB are free.
    with pytest.raises(DownloadError, match=r"too little is free.*200 MB.*150 MB are free"):
        download(package(fails("was run"), size_bytes=100_000_000), log=str)


def test_a_slow_client_is_seen_to_be_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_S", 0.2)
    lines: list[str] = []
    slow = f"import time; open('a', 'wb').write(bytes(2_000_000)); time.sleep(1); {WRITES}"
    download(package(StandIn(slow), size_bytes=4_000_000), log=lines.append)
    # 2 of 4 million bytes
    assert "  thing 1.0: 2.0 of 4.0 MB" in lines
