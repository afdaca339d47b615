"""Log-probabilities as OpenAI lists them."""

import math

from coterie.serve.api.token_logprobs import list_logprobs
from coterie.serve.sampling import ChosenToken, TokenLogprob


def test_tokens_with_their_bytes_and_a_finite_logarithm_of_0() -> None:
    texts = {1: "a", 2: "\u00e9"}
    chosen = ChosenToken(2, -0.5, (TokenLogprob(2, -0.5), TokenLogprob(1, -math.inf)))
    found = list_logprobs([chosen, ChosenToken(1)], lambda tokens: texts[tokens[0]])
    second = {"token": "\u00e9", "logprob": -0.5, "bytes": [0xC3, 0xA9]}
    first = {"token": "a", "logprob": -9999.0, "bytes": [0x61]}
    assert found == [second | {"top_logprobs": [second, first]}]
