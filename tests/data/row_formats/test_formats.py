"""Rows of questions, messages and conversations, as samples."""

from pathlib import Path
from typing import Any

import pytest

from coterie.data.dataset import RowError
from tests.data.row_formats.reading import read


class TestQuestion:
    def test_media_stand_before_the_text(self, folder: Path) -> None:
        row = {"audio": "c.wav", "image": "a.png", "question": "What?", "answer": "this"}
        assert read(row, folder) == [([("user", ["a.png", "c.wav", "What?"])], ("this",))]

    def test_marks_place_them(self, folder: Path) -> None:
        row = {
            "images": ["a.png", "b.png"],
            "question": "Is <image>\nlike <image> ?",
            "answer": "y",
        }
        assert read(row, folder)[0][0] == [("user", ["Is", "a.png", "like", "b.png", "?"])]

    @pytest.mark.parametrize(
        "answer, expected",
        [("a ", ("a",)), (3, ("3",)), (2.5, ("2.5",)), (["a", 1], ("a", "1"))],
    )
    def test_answers(self, folder: Path, answer: Any, expected: tuple[str, ...]) -> None:
        assert read({"question": "?", "answer": answer}, folder)[0][1] == expected

    def test_columns_and_prompt(self, folder: Path) -> None:
        row = {"pic": "a.png", "q": "Who", "n": 3, "label": "me", "note": None}
        names = {"media": {"image": "pic"}, "question": "q", "answer": "label"}
        found = read(row, folder, **names, prompt="{n} {{x}}: {question}?")
        assert found == [([("user", ["a.png", "3 {x}: Who?"])], ("me",))]
        assert read(row, folder, **names, prompt="Why?")[0][0] == [("user", ["a.png", "Why?"])]

    def test_a_path_may_be_absolute(self, folder: Path) -> None:
        row = {"image": str(folder / "a.png"), "question": "?", "answer": "x"}
        assert read(row, folder / "elsewhere")[0][0] == [("user", ["a.png", "?"])]

    def test_an_unknown_column_in_the_prompt(self, folder: Path) -> None:
        with pytest.raises(RowError, match=r"colour: is missing .*did you mean color\?.*row has"):
            read({"color": "red", "answer": "x"}, folder, prompt="Is it {colour}?")

    def test_a_mark_in_an_answer(self, folder: Path) -> None:
        with pytest.raises(RowError, match=r"answer: has the mark <image>: an answer is of text"):
            read({"question": "?", "answer": "an <image>"}, folder)


class TestMessages:
    def test_each_turn_of_the_assistant_is_one(self, folder: Path) -> None:
        turns = [("system", "S"), ("user", "a"), ("assistant", "b"), ("user", "c")]
        turns += [("assistant", "d"), ("user", "e")]  # the last has no answer
        row = {"messages": [{"role": role, "content": text} for role, text in turns]}
        first, second = read(row, folder)
        assert first == ([("system", ["S"]), ("user", ["a"])], ("b",))
        assert second[0][2:] == [("assistant", ["b"]), ("user", ["c"])] and second[1] == ("d",)

    @pytest.mark.parametrize("key", ["image", "path", "url"])
    def test_parts_with_paths(self, folder: Path, key: str) -> None:
        parts = [{"type": "text", "text": "What"}, {"type": "image", key: "a.png"}]
        row = {
            "messages": [
                {"role": "user", "content": [*parts, {"type": "audio", "audio": "c.wav"}]},
                {"role": "assistant", "content": [{"type": "text", "text": "this"}]},
            ]
        }
        assert read(row, folder) == [([("user", ["What", "a.png", "c.wav"])], ("this",))]

    @pytest.mark.parametrize(
        "content, expected",
        [
            ([{"type": "image"}, {"type": "text", "text": "?"}, {"type": "image"}], "a ? b"),
            ("<image> x <image>", "a x b"),
            ("no place is said", "a b no place is said"),
        ],
    )
    def test_pictures_of_the_column(self, folder: Path, content: Any, expected: str) -> None:
        turns = [{"role": "user", "content": content}, {"role": "assistant", "content": "y"}]
        row = {"messages": turns, "images": ["a.png", "b.png"]}
        (((_, parts),), _), *_ = read(row, folder)
        assert " ".join(parts).replace(".png", "") == expected

    def test_a_system_turn_in_the_middle(self, folder: Path) -> None:
        turns = [{"role": role, "content": "x"} for role in ("user", "system", "assistant")]
        with pytest.raises(RowError, match=r"messages\[1\]: is a turn of the system"):
            read({"messages": turns}, folder)

    def test_a_picture_in_an_answer(self, folder: Path) -> None:
        answer = {"role": "assistant", "content": [{"type": "image", "image": "a.png"}]}
        with pytest.raises(RowError, match=r"messages\[1\]: has a picture or sound: an answer"):
            read({"messages": [{"role": "user", "content": "x"}, answer]}, folder)

    @pytest.mark.parametrize("messages", [[], "x", ["x"]])
    def test_no_messages(self, folder: Path, messages: Any) -> None:
        with pytest.raises(RowError, match=r"messages(\[0\])?: is .*: give"):
            read({"messages": messages}, folder)


class TestConversations:
    def test_as_llava_has_them(self, folder: Path) -> None:
        turns = [("system", "S"), ("human", "<image>\nWhat?"), ("gpt", "A cat."), ("human", "Why?")]
        turns += [("gpt", "So.")]
        row = {"image": "a.png", "conversations": [{"from": a, "value": b} for a, b in turns]}
        first, second = read(row, folder)
        assert first == ([("system", ["S"]), ("user", ["a.png", "What?"])], ("A cat.",))
        assert second[0][-1] == ("user", ["Why?"]) and second[1] == ("So.",)

    def test_a_picture_without_a_mark(self, folder: Path) -> None:
        turns = [{"from": "human", "value": "?"}, {"from": "gpt", "value": "x"}]
        with pytest.raises(RowError, match=r"marks 0 <image>, but the row names 1"):
            read({"image": "a.png", "conversations": turns}, folder)

    def test_an_unknown_speaker(self, folder: Path) -> None:
        turns = [{"from": "narrator", "value": "?"}]
        with pytest.raises(
            RowError, match=r"conversations\[0\].from: is 'narrator': give system, user, .*gpt"
        ):
            read({"conversations": turns}, folder)

    def test_roles_and_keys_of_other_systems(self, folder: Path) -> None:
        asked = [{"role": "developer", "content": "S"}, {"from": "user", "value": "a"}]
        for said in ({"role": "model", "content": "b"}, {"from": "assistant", "value": "b"}):
            for field in ("conversations", "messages"):
                assert read({field: [*asked, said]}, folder) == [
                    ([("system", ["S"]), ("user", ["a"])], ("b",))
                ]
