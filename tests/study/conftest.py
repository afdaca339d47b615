"""A user's folder, with a tiny Llama and two tasks of six rows."""

from pathlib import Path

import pytest

from tests.cli.folders import llama_folder, text_tasks


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("user")
    llama_folder(folder / "model")
    text_tasks(folder / "data")
    return folder
