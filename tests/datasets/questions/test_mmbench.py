"""MMBench's TSV file, its rotated copies and its rule."""

import base64
from pathlib import Path

import pytest

from coterie.datasets.questions.base import Row
from coterie.datasets.questions.mmbench import MmBench, choose
from tests.datasets.questions.answers import make_answers

COLUMNS = "index question hint A B C D answer category l2-category split image".split()
OPTIONS = {"A": "cats", "B": "dogs", "C": "birds", "D": "fish"}
IMAGE = base64.b64encode(b"\xff\xd8jpeg" * 60).decode()


def make(folder: Path, *lines: list[str], columns: list[str] = COLUMNS) -> MmBench:
    file = folder / "bench.tsv"
    file.write_text("".join("\t".join(cells) + "\n" for cells in (columns, *lines)))
    return MmBench(file=str(file))


def line(index: int, /, answer: str = "B", image: str = IMAGE, **cells: str) -> list[str]:
    row = {"index": str(index), "question": "What?", "hint": "", **OPTIONS, "answer": answer,
           "category": "ocr", "l2-category": "coarse", "split": "dev", "image": image}  # fmt: skip
    return [(row | cells)[name] for name in COLUMNS]


def test_rows(tmp_path: Path) -> None:
    lines = line(7, hint="Look.", D=""), line(1000007, image="7")
    rows, bad = make(tmp_path, *lines).read()
    first, second = (row for _, row in rows)
    assert bad == () and first["image"] == second["image"] == b"\xff\xd8jpeg" * 60
    assert first["question"] == (
        "Look.\nWhat?\nA. cats\nB. dogs\nC. birds\n"
        "Answer with the option's letter from the given choices directly."
    )
    assert first["answer"] == "B" and first["options"] == {k: OPTIONS[k] for k in "ABC"}


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (line(7)[:-1], r"bench\.tsv:2: row: has 11 cells: 12 are needed"),
        (line(7, answer="D", D=""), r"bench\.tsv:2: answer: is 'D': give A, B, C"),
        (line(7, image="8"), r"image: is '8': give base64, or the index of a row"),
        (line(7, index="x"), r"index: is 'x': give a whole number"),
    ],
)
def test_bad_records(tmp_path: Path, cells: list[str], said: str) -> None:
    rows, bad = make(tmp_path, cells).read()
    assert rows == []
    with pytest.raises(ValueError, match=said):
        raise ValueError(str(bad[0]))
    with pytest.raises(ValueError, match=r"has the columns 'a': index and image are needed"):
        make(tmp_path, columns=["a"]).read()


def answered(index: int, prediction: str, answer: str = "B", category: str = "ocr") -> Row:
    return {"id": str(index), "options": OPTIONS, "answer": answer, "prediction": prediction,
            "category": category, "l2-category": "coarse"}  # fmt: skip


def test_a_question_is_right_if_all_rotations_are(tmp_path: Path) -> None:
    # Four rotations, three right: 0 (section H). The second question has one, which is right.
    rows = [answered(3, "B"), answered(1000003, "B"), answered(2000003, "A"),
            answered(3000003, "B"), answered(4, "dogs", category="colour")]  # fmt: skip
    scores = make(tmp_path).compute_scores("mmbench", rows)
    assert scores == {
        "circular": 50, "vanilla": 100, "l2-category coarse": 50, "category ocr": 0,
        "category colour": 100, "chose none": 0, "questions": 2, "rows": 5,
    }  # fmt: skip
    right = [row | {"prediction": "B"} for row in rows]
    assert make(tmp_path).compute_scores("mmbench", right)["circular"] == 100


def apply_rule(answer: str, options: dict[str, str]) -> str:
    """VLMEvalKit's exact matching in other words."""
    for refusal in (
        "Sorry, I can't help with images of people yet.",
        "I can't process this file.",
        "I'm sorry, but without the image provided",
        "Cannot determine the answer",
    ):
        if refusal in answer:
            return ""
    bare = "".join(" " if mark in ".()[],:;!*#{}" else mark for mark in answer).split()
    present = sorted({word for word in bare if word in options})
    if len(present) == 1:
        place = next(i for i, word in enumerate(bare) if word == present[0])
        if len(bare) - place < 5:
            return present[0]
    elif not present and bare.count("Z"):
        return ""
    if len(answer) <= 2 * len("".join(options.values())):
        inside = [k for k, text in options.items() if answer.lower().count(text.lower())]
        if len(inside) == 1:
            return inside[0]
    return ""


def test_letters_are_those_of_the_plain_rule() -> None:
    answers = make_answers()
    found = [choose(text, OPTIONS) for text in answers]
    assert len(answers) == 200 and {"", *"ABCD"} <= set(found)
    assert found == [apply_rule(text, OPTIONS) for text in answers]
