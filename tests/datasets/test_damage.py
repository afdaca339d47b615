"""More than 60 damaged files of more than 10 kinds, in three formats: one message each."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from coterie.datasets.nyuv2 import Nyuv2
from coterie.datasets.pascal_context import PascalContext
from coterie.datasets.taskonomy import Taskonomy
from coterie.tasks.dense.dataset import DenseDataset
from tests.datasets.damage import NYUV2, PASCAL, TASKONOMY, Damage, done
from tests.datasets.written import nyuv2, pascal, taskonomy

GOOD = 2
"""Samples of each set that stay as they are; they come first."""
BROKEN = ("airport", "woodbine")


def count(damages: tuple[Damage, ...]) -> int:
    """How many files are damaged."""
    return sum(len(damage.files) for damage in damages)


FORMATS: dict[
    str, tuple[Callable[[Path, int], Path], Callable[[Path], DenseDataset], str, tuple]
] = {
    "taskonomy": (
        taskonomy,
        lambda f: Taskonomy(folder=f, size=2, broken_buildings=BROKEN),
        "",
        TASKONOMY,
    ),
    "pascal_mt": (pascal, lambda f: PascalContext(folder=f), "", PASCAL),
    "nyuv2": (nyuv2, lambda f: Nyuv2(folder=f), "train", NYUV2),
}


@pytest.fixture(scope="module", params=FORMATS)
def damaged(request, tmp_path_factory) -> tuple[DenseDataset, dict[str, str]]:
    """A set with damaged files; what is expected of each."""
    write, reader, below, damages = FORMATS[request.param]
    folder = write(tmp_path_factory.mktemp(request.param), count(damages) + GOOD)
    expected = done(folder / below, damages, GOOD)
    return reader(folder), {(Path(below) / name).as_posix(): expected[name] for name in expected}


def test_there_is_damage_enough() -> None:
    every = TASKONOMY + PASCAL + NYUV2
    assert count(every) >= 60 and len({damage.kind for damage in every}) >= 10


def test_each_damaged_file_is_named_once_and_no_sample_is_lost(damaged) -> None:
    data, expected = damaged
    rows = data.load_split("train", skip_bad_rows=True)
    assert len(rows) == GOOD and len(list(rows)) == GOOD
    assert len(rows.bad_rows) == len(expected)
    assert {bad.source for bad in rows.bad_rows} == set(expected)
    fields = {"image", *(task.name for task in data.tasks)}
    for bad in rows.bad_rows:
        assert re.search(expected[bad.source], bad.reason), bad
        assert bad.field in fields
        assert "\n" not in str(bad) and len(bad.reason) < 300


def test_all_are_refused_in_one_error_if_they_are_not_to_be_skipped(damaged) -> None:
    data, expected = damaged
    with pytest.raises(ValueError) as error:
        data.load_split("train")
    lines = str(error.value).splitlines()
    assert f"{len(expected)} bad samples of {len(expected) + GOOD}; mend the files, or" in lines[0]
    assert len(lines) == 22 and lines[-1] == f"  and {len(expected) - 20} more"
    named = [line.strip().partition(": ")[0] for line in lines[1:21]]
    assert len(set(named)) == 20 and set(named) <= set(expected)


@pytest.mark.parametrize(("name", "file"), [("sal", "ImageSets/Context/train.txt")])
def test_an_empty_split_is_refused(tmp_path, name, file) -> None:
    folder = pascal(tmp_path)
    (folder / file).write_text("\n")
    with pytest.raises(ValueError, match=r"train.txt has no samples: give at least one"):
        PascalContext(folder=folder, names=(name,)).load_split("train", skip_bad_rows=True)


def test_a_split_without_a_good_sample_is_refused(tmp_path) -> None:
    folder = nyuv2(tmp_path, 2)
    for file in (folder / "train" / "depth").iterdir():
        file.unlink()
    with pytest.raises(ValueError, match=r"2 bad samples of 2; no sample is good: mend the files"):
        Nyuv2(folder=folder).load_split("train", skip_bad_rows=True)


@pytest.mark.parametrize("part", ["image", "label", "depth", "normal"])
def test_a_missing_folder_is_named(tmp_path, part) -> None:
    folder = nyuv2(tmp_path, 1)
    (folder / "train" / part).rename(folder / "elsewhere")
    with pytest.raises(ValueError, match=rf"train.{part} is no folder: fetch nyuv2.zip"):
        Nyuv2(folder=folder).load_split("train", skip_bad_rows=True)


@pytest.mark.parametrize("data", [Taskonomy, PascalContext, Nyuv2])
def test_a_folder_that_is_not_there_is_named(tmp_path, data) -> None:
    with pytest.raises(ValueError, match="nowhere") as error:
        data(folder=tmp_path / "nowhere").load_split("train")
    assert "\n" not in str(error.value)
