"""Regular expressions of an adapter that would never end."""

from pathlib import Path
from typing import Any

import pytest

from coterie.compatibility import patterns
from coterie.compatibility.check import check_folder
from coterie.compatibility.patterns import list_patterns
from tests.compatibility.adapters import BOTH, read_adapter, write_adapter

ENDLESS = "([a-z._0-9]+)+X"


@pytest.mark.parametrize(
    "config",
    [{"target_modules": ENDLESS}, {"rank_pattern": {ENDLESS: 4}}, {"alpha_pattern": {ENDLESS: 8}}],
)
def test_they_are_one_line(
    base: Path, tmp_path: Path, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patterns, "LIMIT_S", 0.5)
    folder = write_adapter(tmp_path / "x", BOTH, **config)
    with pytest.raises(ValueError, match=r"takes more than 0\.5 s to match"):
        check_folder(folder, base)


def test_patterns(tmp_path: Path) -> None:
    found = read_adapter(
        tmp_path / "x", BOTH, target_modules=".*proj", exclude_modules=["lm_head"],
        rank_pattern={"up": 4},
    )  # fmt: skip
    expected = [("target_modules", r"(.*proj)\Z"), ("rank_pattern", r"(.*\.)?(up)$")]
    assert list(list_patterns(found)) == expected
