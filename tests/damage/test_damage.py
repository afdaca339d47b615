"""Over 1,000 damaged inputs: each is read, or refused in one clear line, in bounded memory."""

import itertools
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.damage.inputs import damage_all
from tests.damage.run import run_all


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("COTERIE_HOME", str(tmp_path / "home"))
    (tmp_path / "inputs").mkdir()
    before = Path.cwd()
    yield tmp_path / "inputs"
    os.chdir(before)


@pytest.mark.slow  # its time within the fast suite is not measured yet
@pytest.mark.usefixtures("unchecked")
def test_some_of_each_kind(folder: Path) -> None:
    inputs = itertools.islice(damage_all(folder, seed=1), 0, None, 19)
    outcomes = run_all(inputs, folder)
    assert len(outcomes) >= 50
    assert [x for x in outcomes if x.verdict not in ("read", "refused")] == []


@pytest.mark.slow
@pytest.mark.usefixtures("unchecked")
def test_all(folder: Path) -> None:
    outcomes = run_all(damage_all(folder, seed=0), folder)
    counts = Counter((each.kind, each.verdict) for each in outcomes)
    print(json.dumps({f"{kind}: {verdict}": n for (kind, verdict), n in sorted(counts.items())}))
    wrong = [each for each in outcomes if each.verdict not in ("read", "refused")]
    if report := os.environ.get("DAMAGE_REPORT"):
        Path(report).write_text("".join(f"{each}\n" for each in wrong))
    assert len(outcomes) >= 1000 and wrong == []
