"""What was checked is remembered in a folder of its own in each test."""

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch) -> None:
    monkeypatch.setenv("COTERIE_HOME", str(tmp_path_factory.mktemp("home")))
