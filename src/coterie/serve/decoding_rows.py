"""`DecodingRows`: answers that are generated together, of which some may come and go."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from coterie.cache_argument import CACHE
from coterie.serve.job import Job
from coterie.serve.routing_record import record_routing
from coterie.tuner.generation import continue_generation
from coterie.tuner.runtime import GenerationSession

KEPT = ("input_ids", "attention_mask", "position_ids")
TOKEN_TYPES = ("token_type_ids", "mm_token_type_ids", "moe_mm_token_type_ids")


@dataclass(eq=False, kw_only=True)
class DecodingRows:
    """Answers that are generated together, one row each, padded on the left.

    Between two steps every row's last token is not in the cache yet.

    Attributes:
        model: the grafted model's base model, whose `generate` began the answers.
        jobs: the answers, in the order of the rows.
        cache: keys and values, a token fewer than `by_token` has.
        by_token: `KEPT` and `TOKEN_TYPES` that the model takes, [..., rows, tokens].
        session: the routing of the rows; None for a model without mixtures.
        processors: transformers' changes of the logits, of the model's generation config, if they
            do not depend on the tokens before; `Job` has the others.
    """

    model: Any
    jobs: list[Job]
    cache: DynamicCache
    by_token: dict[str, Tensor]
    session: GenerationSession | None
    processors: Any = ()

    @property
    def num_tokens(self) -> int:
        """The length of the longest row, and of all with padding."""
        return self.by_token["input_ids"].shape[1]

    def append(self, tokens: Sequence[int]) -> None:
        """Append a token to each row."""
        for name, values in self.by_token.items():
            last = values[..., -1:]
            if name == "input_ids":
                last = torch.tensor(tokens, device=values.device)[:, None]
            elif name == "attention_mask":
                last = torch.ones_like(last)
            elif name == "position_ids":
                last = last + 1
            elif name == "mm_token_type_ids":
                last = torch.zeros_like(last)  # a generated token is text
            self.by_token[name] = torch.cat([values, last], -1)

    @torch.no_grad()
    def compute_logits(self) -> Float[Tensor, "rows vocab"]:
        """Compute the logits of every row's next token, in float32."""
        arguments: dict[str, Any] = {**self.by_token, CACHE: self.cache, "use_cache": True}
        if all(job.num_tokens == self.num_tokens and not job.is_masked for job in self.jobs):
            arguments["attention_mask"] = None
        if self.model._supports_logits_to_keep():
            arguments["logits_to_keep"] = 1
        ids = arguments.pop("input_ids")
        rows = [job.make_recording_row() for job in self.jobs]
        with continue_generation(self.session), record_routing(self.model, rows, 1):
            inputs = self.model.prepare_inputs_for_generation(
                ids, next_sequence_length=1, is_first_iteration=False, **arguments
            )
            outputs = self.model(**inputs, return_dict=True)
        return self.take_last(outputs)

    def take_last(self, outputs: Any) -> Float[Tensor, "rows vocab"]:
        """Take the logits of every row's next token from the model's outputs, in float32."""
        logits = outputs.logits[:, -1].float()
        return self.processors(self.by_token["input_ids"], logits) if self.processors else logits

    def join(self, other: "DecodingRows") -> None:
        """Add the rows of `other` after these."""
        more = other.num_tokens - self.num_tokens
        mine, theirs = (max(0, more), max(0, -more))
        layers: Any = zip(self.cache.layers, other.cache.layers, strict=True)
        for ours, new in layers:
            if ours.is_initialized:
                ours.keys, ours.values = (
                    torch.cat([F.pad(a, (0, 0, mine, 0)), F.pad(b, (0, 0, theirs, 0))])
                    for a, b in ((ours.keys, new.keys), (ours.values, new.values))
                )
        names = dict.fromkeys([*self.by_token, *other.by_token])
        self.by_token = {
            name: _join(self._get(name), other._get(name), mine, theirs) for name in names
        }
        if self.session is not None:
            assert other.session is not None
            self.session = self.session.join(other.session)
        self.jobs = self.jobs + other.jobs

    def select(self, rows: Sequence[int]) -> None:
        """Keep some rows, at least one, without the padding that all of them have."""
        index = torch.tensor(rows, device=self.by_token["input_ids"].device)
        # The jobs know how much of a row is padding, and the device need not be asked.
        cut = self.num_tokens - max(self.jobs[row].num_tokens for row in rows)
        layers: Any = self.cache.layers  # one may have no keys, as its type says
        for layer in layers:
            if layer.is_initialized:
                layer.keys = layer.keys[index.to(layer.keys.device), :, cut:]
                layer.values = layer.values[index.to(layer.values.device), :, cut:]
        self.by_token = {
            name: values.index_select(-2, index)[..., cut:]
            for name, values in self.by_token.items()
        }
        if self.session is not None:
            self.session = self.session.select(index)
        self.jobs = [self.jobs[row] for row in rows]

    def copy_to(self, jobs: Sequence[Job], rows: Sequence[int]) -> None:
        """Copy the row of a prompt to each of the answers to it.

        Args:
            jobs: the answers, with those that have rows already.
            rows: the row of each one's prompt.
        """
        for job, row in zip(jobs, rows, strict=True):
            job.routing = list(self.jobs[row].routing)
        self.select(rows)
        self.jobs = list(jobs)

    def _get(self, name: str) -> Tensor:
        """Return an argument; zeros where the prompts had none, as text has none of pictures."""
        found = self.by_token.get(name)
        return torch.zeros_like(self.by_token["input_ids"]) if found is None else found


def _join(ours: Tensor, new: Tensor, mine: int, theirs: int) -> Tensor:
    """Concatenate on the axis of the rows, after padding both on the left."""
    return torch.cat([F.pad(ours, (mine, 0)), F.pad(new, (theirs, 0))], -2)


def keep_by_token(ids: Tensor, arguments: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return `DecodingRows.by_token` of prompts, from the arguments that `generate` made."""
    names = [name for name in (*KEPT, *TOKEN_TYPES) if arguments.get(name) is not None]
    found = {name: arguments[name] for name in names}
    # `generate` leaves out a mask without padding, and may have one row of positions for all.
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)} | found
    return {name: values.expand(*values.shape[:-2], len(ids), -1) for name, values in given.items()}


def can_join(cache: object, arguments: Mapping[str, Any], tokens: int) -> bool:
    """Return whether rows with what a prompt left behind can be padded and selected.

    Not if keys and values are of a window, or of images, or there are other states than these, or
    if the model takes an argument by token that is not among those that are known here.

    Args:
        cache: of the prompts' forward.
        arguments: of `generate`, after it.
        tokens: the length of the prompts.
    """
    if type(cache) is not DynamicCache:
        return False
    filled = [layer for layer in cache.layers if getattr(layer, "is_initialized", True)]
    if not all(
        type(layer) is DynamicLayer and layer.get_seq_length() == tokens for layer in filled
    ):
        return False
    given = {name: each for name, each in arguments.items() if isinstance(each, Tensor)}
    others = [each for name, each in given.items() if name not in (*KEPT, *TOKEN_TYPES)]
    return not any(each.ndim > 1 and each.shape[1] == tokens and tokens > 1 for each in others)
