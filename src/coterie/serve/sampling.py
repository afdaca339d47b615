"""`Sampling`: how one answer's tokens are chosen, and how likely the chosen ones were."""

import math
import secrets
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

MAX_TOP_LOGPROBS = 20
"""The most alternatives of a token that are listed, as in OpenAI's interface."""
MAX_STOPS = 16
MAX_SEED = 2**63 - 1


class TokenLogprob(NamedTuple):
    """A token, and its log-probability in nats under the model, at temperature 1."""

    token: int
    logprob: float


class ChosenToken(NamedTuple):
    """A token of an answer.

    `logprob` and the likeliest tokens, best first, are None and empty if they were not asked for.
    """

    token: int
    logprob: float | None = None
    likeliest: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How one answer's tokens are chosen.

    Attributes:
        max_tokens: the longest answer, with the token that ends it.
        temperature: 0 takes the likeliest token; above, tokens are drawn from softmax(logits /
            temperature).
        top_p: draw from the fewest likeliest tokens that have this probability together.
        seed: of the draws, which then do not depend on what else is generated; None for a new one.
        stop: texts before the first of which the answer ends.
        top_logprobs: how many of the likeliest tokens are listed with each token; 0 for the
            chosen one alone, None for no probabilities.
    """

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for a value that is out of its range."""
        if type(self.max_tokens) is not int or self.max_tokens < 1:
            raise ValueError(f"max_tokens={self.max_tokens!r}: give a whole number from 1")
        if not (math.isfinite(self.temperature) and 0 <= self.temperature <= 2):
            raise ValueError(f"temperature={self.temperature!r}: give a number from 0 to 2")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p={self.top_p!r}: give a number above 0 and at most 1")
        if self.seed is not None and not -MAX_SEED <= self.seed <= MAX_SEED:
            raise ValueError(f"seed={self.seed!r}: give a whole number of at most 63 bits")
        if len(self.stop) > MAX_STOPS or not all(self.stop):
            raise ValueError(f"stop={self.stop!r}: give at most {MAX_STOPS} texts, none empty")
        top = self.top_logprobs
        if top is not None and not 0 <= top <= MAX_TOP_LOGPROBS:
            raise ValueError(f"top_logprobs={top!r}: give 0 to {MAX_TOP_LOGPROBS}")

    def limit(self, tokens: int) -> "Sampling":
        """Return it with at most so many tokens."""
        return replace(self, max_tokens=min(tokens, self.max_tokens))

    def with_seed_plus(self, number: int) -> "Sampling":
        """Return it for another answer to the same prompt, whose draws differ."""
        return self if self.seed is None else replace(self, seed=self.seed + number)

    @property
    def is_plain(self) -> bool:
        """Whether the likeliest token is all that is asked for."""
        return self.temperature == 0 and self.top_logprobs is None

    def make_generator(self) -> torch.Generator:
        """Return the source of one answer's draws, on the CPU, where they are the same anywhere."""
        seed = secrets.randbits(63) if self.seed is None else self.seed
        return torch.Generator().manual_seed(seed)

    def choose(self, logits: Float[Tensor, " vocab"], generator: torch.Generator) -> ChosenToken:
        """Choose a token from its logits, in float32."""
        logits = logits.cpu()
        token = int(logits.argmax()) if self.temperature == 0 else self._draw(logits, generator)
        if self.top_logprobs is None:
            return ChosenToken(token)
        logprobs = logits.log_softmax(-1)
        values, tokens = logprobs.topk(min(self.top_logprobs, len(logprobs)))
        likeliest = map(TokenLogprob, tokens.tolist(), values.tolist())
        return ChosenToken(token, float(logprobs[token]), tuple(likeliest))

    def _draw(self, logits: Float[Tensor, " vocab"], generator: torch.Generator) -> int:
        probs, tokens = (logits / self.temperature).softmax(-1).sort(descending=True, stable=True)
        before = probs.cumsum(-1) - probs  # the likeliest token has nothing before it, and is kept
        kept = probs.masked_fill(before >= self.top_p, 0)
        return int(tokens[torch.multinomial(kept, 1, generator=generator)])
