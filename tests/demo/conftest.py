"""Every test of what is fetched has a home of its own, and no client reaches the network."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("COTERIE_HOME", str(folder))
    return folder
