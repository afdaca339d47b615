"""Log-probabilities of tokens as OpenAI lists them."""

from collections.abc import Callable, Sequence
from typing import Any

from coterie.serve.sampling import ChosenToken

LEAST = -9999.0
"""What stands for the logarithm of 0, which JSON cannot hold; OpenAI's own."""


def list_logprobs(
    chosen: Sequence[ChosenToken], decode: Callable[[list[int]], str]
) -> list[dict[str, Any]]:
    """List tokens, each with its text, bytes and log-probability, and the likeliest in its place.

    A token of a part of a character has the replacement character for its text.
    """
    found = []
    for each in chosen:
        if each.logprob is None:
            continue
        likeliest = [_describe(token, logprob, decode) for token, logprob in each.likeliest]
        own = _describe(each.token, each.logprob, decode)
        found.append(own | {"top_logprobs": likeliest})
    return found


def _describe(token: int, logprob: float, decode: Callable[[list[int]], str]) -> dict[str, Any]:
    text = decode([token])
    return {"token": text, "logprob": max(logprob, LEAST), "bytes": list(text.encode())}
