"""A folder with pictures and a sound, for the tests of rows."""

from pathlib import Path

import pytest

from tests.data.files import png, tone, wav


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(png())
    (tmp_path / "c.wav").write_bytes(wav(tone()))
    return tmp_path
