"""Text while tokens arrive: what is sent adds up to the answer, and is never taken back."""

from collections.abc import Sequence

import pytest

from coterie.serve.answer_text import AnswerText


def stream(pieces: Sequence[str], stop: Sequence[str] = ()) -> tuple[list[str], str]:
    """What is sent for each token, and at the end, of tokens with these texts."""
    answer = AnswerText(lambda tokens: "".join(pieces[each] for each in tokens), stop)
    sent = []
    for token in range(len(pieces)):
        sent.append(answer.add(token))
        if answer.is_stopped:
            break
    sent.append(answer.finish())
    assert "".join(sent) == answer.text
    return sent, answer.text


def test_white_space_waits_for_what_follows_and_is_stripped_at_the_ends() -> None:
    assert stream([" a", " ", "b", "\n"]) == (["a", "", " b", "", ""], "a b")
    assert stream(["\n", " "]) == (["", "", ""], "")


def test_a_character_of_several_tokens_is_sent_whole() -> None:
    texts = {1: "\ufffd", 2: "\u00e9", 3: "\u00e9!"}
    answer = AnswerText(lambda tokens: texts[len(tokens)])
    assert [answer.add(each) for each in range(3)] == ["", "\u00e9", "!"]


def test_the_first_stop_text_ends_the_answer_and_is_not_in_it() -> None:
    assert stream(["one", ", two", ". three"], [".", ","]) == (["one", "", ""], "one")
    assert stream(["a\nb\nc"], ["\n"]) == (["a", ""], "a")
    # Of two that are found at once, the earlier one ends it.
    assert stream(["xAByCDz"], ["CD", "B"])[1] == "xA"


def test_the_start_of_a_stop_text_is_held_back_until_it_is_none() -> None:
    assert stream(["a", "E", "N", "X", "b"], ["END"]) == (["a", "", "", "ENX", "b", ""], "aENXb")
    assert stream(["a", "E", "N", "D"], ["END"]) == (["a", "", "", "", ""], "a")
    # Or the answer ends with it.
    assert stream(["a", "E"], ["END"]) == (["a", "", "E"], "aE")
    # The longest start counts: "aa" of "aab", not "a".
    assert stream(["aa", "b"], ["aab"]) == (["", "", ""], "")


@pytest.mark.parametrize("later", ["ab", "x"])
def test_a_tokenizer_that_takes_text_back_sends_nothing_twice(later: str) -> None:
    texts = {1: "a b", 2: later}
    answer = AnswerText(lambda tokens: texts[len(tokens)])
    assert answer.add(0) == "a b"
    assert (answer.add(1), answer.finish(), answer.text) == ("", "", later)
