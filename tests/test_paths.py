from pathlib import Path

import pytest

from coterie.paths import get_cache_dir, make_cache_dir


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("COTERIE_HOME", str(folder))
    return folder


def test_the_variable_says_where(own_home: Path) -> None:
    assert get_cache_dir() == own_home
    assert not own_home.exists()


def test_without_the_variable_it_is_in_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COTERIE_HOME")
    monkeypatch.setenv("HOME", "/somebody")
    assert get_cache_dir() == Path("/somebody/.cache/coterie")


def test_an_empty_variable_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_HOME", "")
    assert get_cache_dir().parts[-2:] == (".cache", "coterie")


def test_a_tilde_and_a_relative_path_are_made_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somebody")
    monkeypatch.setenv("COTERIE_HOME", "~/big")
    assert get_cache_dir() == Path("/somebody/big")
    monkeypatch.setenv("COTERIE_HOME", "big")
    assert get_cache_dir() == Path.cwd() / "big"


def test_writing_makes_it_and_leaves_nothing_in_it(own_home: Path) -> None:
    assert make_cache_dir() == own_home
    assert list(own_home.iterdir()) == []


def test_where_nothing_can_be_written_the_error_says_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("COTERIE_HOME", str(tmp_path / "file" / "below"))
    with pytest.raises(ValueError, match=r"file/below cannot be written \(.*\): set COTERIE_HOME"):
        make_cache_dir()
