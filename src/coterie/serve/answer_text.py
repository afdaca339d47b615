"""`AnswerText`: the text of an answer while its tokens arrive."""

from collections.abc import Callable, Sequence

UNFINISHED = "\ufffd"
"""What tokenizers write for a character of which only some bytes are there."""


class AnswerText:
    """The text of an answer, stripped, up to the first text that ends it.

    Attributes:
        text: what there is, as the answer would be if it ended here.
        is_stopped: a text that ends the answer was found.
    """

    def __init__(self, decode: Callable[[list[int]], str], stop: Sequence[str] = ()) -> None:
        """Begin an answer.

        Args:
            decode: makes text of all tokens; a tokenizer's, which a token alone may not have.
            stop: texts that end the answer, and are not in it.
        """
        self.decode, self.stop = decode, tuple(stop)
        self.tokens: list[int] = []
        self.text = self.sent = ""
        self.is_stopped = False

    def add(self, token: int) -> str:
        """Add a token, and return the text that is certain by now and was not returned before."""
        self.tokens.append(token)
        text = self.decode(self.tokens)
        places = [place for each in self.stop if (place := text.find(each)) >= 0]
        self.is_stopped = bool(places)
        self.text = text[: min(places)].strip() if places else text.strip()
        return self._send(self.text if places else self._hold_back(text))

    def finish(self) -> str:
        """Return the rest of the text."""
        return self._send(self.text)

    def _hold_back(self, text: str) -> str:
        """Return the start of the text that no further token changes."""
        text = text.lstrip().rstrip(UNFINISHED)
        longest = max(map(len, self.stop), default=1)
        for length in range(min(longest - 1, len(text)), 0, -1):
            if any(each.startswith(text[-length:]) for each in self.stop):
                text = text[:-length]
                break
        return text.rstrip()

    def _send(self, certain: str) -> str:
        # A few tokenizers change the spaces of what they wrote: then nothing is sent until it fits.
        if not certain.startswith(self.sent):
            return ""
        more = certain[len(self.sent) :]
        self.sent = certain
        return more
