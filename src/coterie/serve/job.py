"""`Job`: one answer that is being generated, and the pieces of it that are reported."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from coterie.serve.answer_text import AnswerText
from coterie.serve.routing_record import RecordingRow, RoutingPass
from coterie.serve.sampling import ChosenToken, Sampling

Reason = Literal["stop", "length", "cancelled", "error"]
"""Why an answer ended: by itself or a stop text, at its longest, or because it was given up."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A piece of an answer: a token or its end.

    Attributes:
        text: what is certain of the text, and was in no piece before.
        token: None in the last piece of an answer that was cancelled or failed.
        reason: why the answer ended; None while it goes on.
        error: what failed.
        routing: of the tokens that were read to choose this one; None unless it is recorded.
    """

    text: str = ""
    token: ChosenToken | None = None
    reason: Reason | None = None
    error: Exception | None = None
    routing: RoutingPass | None = None


@dataclass(eq=False, kw_only=True)
class Job:
    """One answer that is being generated.

    Attributes:
        prompt: a batch of one, of `TextCollator.collate_prompts`.
        ends: the tokens that end an answer.
        report: called with every piece, in the thread that generates; must not wait.
        is_cancelled: set by any thread to give the answer up.
        records_routing: the pieces have the routing of the tokens that were read for them.
        routing: what was recorded, one for each token of `chosen`.
        processors: transformers' changes of the logits, of the model's generation config, if they
            depend on the tokens before; `DecodingRows` has the others.
        reason: why it ended; None while it goes on.
    """

    prompt: Mapping[str, Tensor]
    sampling: Sampling
    ends: frozenset[int]
    text: AnswerText
    report: Callable[[Piece], None] = lambda piece: None
    is_cancelled: bool = False
    records_routing: bool = False
    routing: list[RoutingPass] = field(default_factory=list)
    processors: Any = ()
    reason: Reason | None = None
    error: Exception | None = None
    chosen: list[ChosenToken] = field(default_factory=list)
    generator: torch.Generator | None = None

    def __post_init__(self) -> None:
        self.prompt_tokens = self.prompt["input_ids"].shape[1]
        # A few processors mask tokens of a prompt that is alone, too.
        self.is_masked = not bool(self.prompt["attention_mask"].all())

    @property
    def num_tokens(self) -> int:
        """The tokens of the prompt and of the answer so far."""
        return self.prompt_tokens + len(self.chosen)

    def make_recording_row(self) -> RecordingRow | None:
        """Make the row of the next forward pass for `record_routing`; None if nobody asked."""
        if not self.records_routing:
            return None
        # What a pass recorded after which no token was chosen is of one that began anew.
        del self.routing[len(self.chosen) :]
        last = [each.token for each in self.chosen[-1:]]
        ids = last or self.prompt["input_ids"][0].tolist()
        return RecordingRow(ids, self.num_tokens, self.routing)

    def choose(self, logits: Float[Tensor, " vocab"]) -> ChosenToken:
        """Choose the next token from the model's logits."""
        if len(self.processors):
            ids = self.prompt["input_ids"][0].tolist() + [each.token for each in self.chosen]
            known = torch.tensor([ids], device=logits.device)
            logits = self.processors(known, logits[None])[0]
        if self.generator is None:
            self.generator = self.sampling.make_generator()
        return self.sampling.choose(logits, self.generator)

    def add(self, chosen: ChosenToken) -> bool:
        """Add the next token, report it, and return whether the answer goes on."""
        self.chosen.append(chosen)
        certain = self.text.add(chosen.token)
        if chosen.token in self.ends or self.text.is_stopped:
            self.reason = "stop"
        elif len(self.chosen) >= self.sampling.max_tokens:
            self.reason = "length"
        if self.reason is not None:
            certain += self.text.finish()
        read = self.routing[-1] if self.routing else None
        self.report(Piece(text=certain, token=chosen, reason=self.reason, routing=read))
        return self.reason is None

    def give_up(self, error: Exception | None = None) -> None:
        """End the answer because it was cancelled or, with the error, because it failed."""
        self.error, self.reason = error, "cancelled" if error is None else "error"
        self.report(Piece(reason=self.reason, error=error))
