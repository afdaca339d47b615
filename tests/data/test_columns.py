"""Names of columns, and templates of prompts."""

import pytest

from coterie.data.columns import Columns


def test_pieces() -> None:
    columns = Columns(question="q", prompt="{{a}} {question} and {b}.")
    # Formatter.parse ends a piece at each escaped brace.
    assert [piece.column for piece in columns.split_template() if piece.column] == ["q", "b"]
    assert "".join(piece.text for piece in columns.split_template()) == "{a}  and ."


@pytest.mark.parametrize(
    "prompt, message",
    [
        ("{question", r"prompt = '\{question': expected '\}' before end of string; give text"),
        ("{question.__class__}", r"\{question.__class__\} is no plain name of a column"),
        ("{a!r}", r"is no plain name"),
        ("{a:>10}", r"is no plain name"),
        ("{}", r"is no plain name"),
        ("{answer}?", r"it would tell the answer; leave \{answer\} out"),
        (3, r"prompt = 3: "),
        ("{" + "[" * 5000, r"^prompt = .{1,300}$"),
    ],
)
def test_prompts_that_are_refused(unchecked, prompt, message) -> None:
    with pytest.raises(ValueError, match=message):
        Columns(prompt=prompt)


def test_names_are_checked(unchecked) -> None:
    with pytest.raises(ValueError, match=r"image = '': give the name of a column"):
        Columns(media={"image": ""})
