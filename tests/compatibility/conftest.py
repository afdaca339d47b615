"""A tiny Llama's folder, and the model built from its config.json."""

from pathlib import Path

import pytest

from coterie.models.host import Host
from tests.compatibility.adapters import write_host


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_host(tmp_path_factory.mktemp("hosts") / "llama")


@pytest.fixture
def host(base: Path) -> Host:
    return Host.load(base)
