"""More than 200 damaged rows and files of more than 20 kinds: one clear error each, none lost."""

import random
import re
from pathlib import Path

import pytest

from coterie.data.sources.opening import open_rows
from coterie.data.validation import RowReader, ValidatedDataset
from coterie.tasks import TextTask
from tests.data.damage import KINDS, Damaged, good
from tests.data.files import jsonl, png

EACH = 5


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[int, Damaged], int]:
    """A file of damaged lines among good ones; the damaged by their numbers; how many lines."""
    folder = tmp_path_factory.mktemp("damage")
    (folder / "good.png").write_bytes(png())
    rng = random.Random(0)
    lines: list[Damaged | int] = [
        kind(rng, folder, f"{name.replace(' ', '_')}_{i}")
        for name, kind in KINDS.items()
        for i in range(EACH)
    ]
    lines += range(len(lines))  # as many good ones
    rng.shuffle(lines)
    with (folder / "rows.jsonl").open("wb") as file:
        for line in lines:
            file.write(line.line if isinstance(line, Damaged) else good(line))
            file.write(b"\n")
    damaged = {i + 1: line for i, line in enumerate(lines) if isinstance(line, Damaged)}
    return folder / "rows.jsonl", damaged, len(lines)


@pytest.fixture(scope="module")
def rows(mixed) -> ValidatedDataset:
    """What is read of it, every picture of it checked."""
    path, _, _ = mixed
    return ValidatedDataset(open_rows(path, split="train"), RowReader(task="t"), check_media=True)


def test_there_is_damage_enough() -> None:
    assert len(KINDS) >= 20 and len(KINDS) * EACH >= 200


def test_each_damaged_row_is_named_once_and_none_is_lost(mixed, rows) -> None:
    _, damaged, lines = mixed
    assert len(rows.bad_rows) == len(damaged) and len(rows) + len(rows.bad_rows) == lines
    for bad in rows.bad_rows:
        file, _, number = bad.source.partition(":")
        expected = damaged[int(number)]
        assert file == "rows.jsonl"
        assert re.fullmatch(expected.field, bad.field), (bad, expected)
        assert re.search(expected.reason, bad.reason), (bad, expected)
        assert "\n" not in str(bad) and len(bad.reason) < 400
    assert len({bad.source for bad in rows.bad_rows}) == len(damaged)


def test_the_good_rows_among_them_are_read_right(mixed, rows) -> None:
    _, damaged, lines = mixed
    seen = set()
    for sample in rows:
        (answer,) = sample.answers
        assert sample.get_last_user_text() == f"What is {answer}?" and len(sample.get_media()) == 1
        assert int(sample.source.partition(":")[2]) not in damaged
        seen.add(int(answer))
    assert seen == set(range(lines - len(damaged)))


def test_a_task_refuses_them_unless_told_to_skip(mixed) -> None:
    path, damaged, lines = mixed
    task = TextTask(name="t", rows={"train": str(path)})
    with pytest.raises(ValueError) as caught:
        task.read_samples("train")
    first, *listed, last = str(caught.value).splitlines()
    assert first == (
        f"task 't', split 'train' has {len(damaged)} bad rows of {lines}; "
        "mend the files, or leave the rows out by skip_bad_rows=True (--skip-bad-rows)"
    )
    assert len(listed) == 20 and last == f"  and {len(damaged) - 20} more"
    assert all(re.match(r"  rows\.jsonl:\d+: \S+: ", line) for line in listed)
    rows = task.read_samples("train", skip_bad_rows=True)
    assert len(rows) == lines - len(damaged) and len(rows.bad_rows) == len(damaged)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_nothing_else_is_never_an_empty_task(kind: str, tmp_path: Path) -> None:
    damaged = KINDS[kind](random.Random(1), tmp_path, "x")
    (tmp_path / "rows.jsonl").write_bytes(b"\n" + damaged.line + b"\n")
    task = TextTask(name="t", rows={"train": str(tmp_path / "rows.jsonl")})
    with pytest.raises(
        ValueError, match=r"has 1 bad row of 1; no row is good: mend the files\n  rows"
    ) as e:
        task.read_samples("train", skip_bad_rows=True)
    assert f"rows.jsonl:2: {damaged.field.replace(chr(92), '')}: " in str(e.value)


def test_damage_to_media_that_comes_after_the_check_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    path = jsonl(tmp_path / "r.jsonl", [{"image": "a.png", "question": "?", "answer": "b"}])
    rows = TextTask(name="t", rows={"train": str(path)}).read_samples("train")
    (tmp_path / "a.png").write_bytes(b"no more")
    with pytest.raises(ValueError, match=r"a\.png is no picture that can be read"):
        rows[0].to_chat_messages()


def test_without_the_check_damage_to_pixels_is_found_when_it_comes_up(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    path = jsonl(tmp_path / "r.jsonl", [{"image": "a.png", "question": "?", "answer": "b"}])
    rows = TextTask(name="t", rows={"train": str(path)}).read_samples("train", check_media=False)
    with pytest.raises(ValueError, match=r"a\.png is no picture"):
        rows[0].to_chat_messages()
