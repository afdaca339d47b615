"""`RoutingContext`: the properties of one batch that gates and tapes need in a forward pass."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from coterie.families.base import compute_sample_index
from coterie.routing.decision import Tape

CountRows = Callable[[], Float[Tensor, " batch"]]


class CachedDecision(NamedTuple):
    """A decision per sample, cached for tied layers and for later tokens."""

    logits: Float[Tensor, "batch experts"]
    noise: Float[Tensor, "batch experts"] | None

    def join(self, other: "CachedDecision") -> "CachedDecision":
        """Return the decision of both batches, in this order."""
        both = zip(self, other, strict=True)
        logits, noise = (None if a is None or b is None else torch.cat([a, b]) for a, b in both)
        assert logits is not None
        return CachedDecision(logits, noise)

    def select(self, samples: Int[Tensor, " chosen"]) -> "CachedDecision":
        """Return the decision of some samples of the batch."""
        chosen = samples.to(self.logits.device)
        noise = None if self.noise is None else self.noise[chosen]
        return CachedDecision(self.logits[chosen], noise)


@dataclass(kw_only=True)
class RoutingContext:
    """The batch of one forward pass, as far as routing needs it.

    Attributes:
        single_task, highest_task: the task of all samples, and the highest; None where only a
            synchronisation would tell.
        present_tasks: the tasks of the samples; None where only a synchronisation would tell.
        task_positions: by some tasks, each sample's position among them, as
            `coterie.routing.task_selection` computed it.
        prompt_mask: True for tokens before the answer; None if there is no text.
        valid, modality, modalities: as in `Routing`, by token.
        tower_modalities: tower -> the modality of all its rows; the text tower is not in it.
        rows_per_sample: tower -> a function that returns how many of its rows each sample owns, up
            to a factor; called only if a gate in that tower decides by sample or task.
        assumed_towers: the towers of a model whose family is not known. The factor of
            `rows_per_sample` must give whole rows there, as the counts may not be those of rows.
        cached_decisions: by the layers' tie group.
        tied_results: by tie group, the logits and what its layers compute alike from them, in this
            pass alone.
        reuse_cached_decisions: an earlier pass over the prompt made them, and they apply here.
        prompt_mean: mean of the language model's input embeddings over the prompt.
        has_copies: rows may be neighbouring copies of the samples', as the beams are in a model
            inside that generates for the whole.
        sample_spans: the tokens of each sample and the padding after it, where rows of text hold
            several samples, one after another; None where each row is one sample.
        adapter_names: the adapter of each sample, in a mixed batch.
        tape: records the layers' routing; None outside `coterie.observe`.
        outer_context: the context that was current when this one was opened.
        opened_by: the object that opened it; None if it is not one of a model's forward.
    """

    batch_size: int
    device: torch.device
    task_ids: Int[Tensor, " batch"] | None = None
    single_task: int | None = None
    highest_task: int | None = None
    present_tasks: frozenset[int] | None = None
    task_positions: dict[tuple[int, ...], Int[Tensor, " batch"]] = field(default_factory=dict)
    prompt_mask: Bool[Tensor, "batch seq"] | None = None
    valid: Bool[Tensor, "batch seq"] | None = None
    modality: Int[Tensor, "batch seq"] | None = None
    modalities: tuple[str, ...] = ("text",)
    tower_modalities: Mapping[str, str] = field(default_factory=dict)
    rows_per_sample: Mapping[str, CountRows] = field(default_factory=dict)
    assumed_towers: frozenset[str] = frozenset()
    cached_decisions: dict[str, CachedDecision] = field(default_factory=dict)
    tied_results: dict[str, tuple[Tensor, dict[Hashable, Any]]] = field(default_factory=dict)
    reuse_cached_decisions: bool = False
    prompt_mean: Float[Tensor, "batch pooled"] | None = None
    has_copies: bool = False
    sample_spans: Int[Tensor, "samples 2"] | None = None
    adapter_names: tuple[str, ...] | None = None
    tape: Tape | None = None
    outer_context: "RoutingContext | None" = None
    opened_by: object = None

    def replay(self) -> "RoutingContext":
        """Return the context for a recomputed forward: the same batch, without a tape."""
        decisions = dict(self.cached_decisions)
        results = {
            group: (logits, dict(found)) for group, (logits, found) in self.tied_results.items()
        }
        return replace(
            self, tape=None, outer_context=None, cached_decisions=decisions, tied_results=results
        )

    def pack(self, spans: Int[Tensor, "samples 2"]) -> None:
        """Set `sample_spans`, and what follows from them; the tokens of all rows are rows then."""
        self.sample_spans, self.batch_size = spans, len(spans)
        lengths = spans.sum(1)
        self.rows_per_sample = {**self.rows_per_sample, "text": lambda: lengths.float()}
        is_token = torch.tensor([True, False], device=spans.device).repeat(len(spans))
        self.valid = is_token.repeat_interleave(spans.flatten())[None]

    def is_packed(self, tower: str) -> bool:
        """Return whether a row of `tower` holds several samples."""
        return self.sample_spans is not None and tower == "text"

    def select_prompts(self, x: Float[Tensor, "*units width"]) -> Tensor | None:
        """Return the prompts' tokens of a layer's input, [batch, seq, width], one row a sample.

        Some MLPs, as those of mixture decoders, see [batch * seq, width]. None if `x` has other
        tokens.
        """
        assert self.prompt_mask is not None
        batch, length = self.prompt_mask.shape
        tokens = x.shape[:-1].numel()
        copies = tokens // (batch * length)  # torch.compile knows no divmod
        is_copied = self.has_copies and (x.ndim == 2 or x.shape[-2] == length)
        if copies * batch * length != tokens or (copies != 1 and not is_copied):
            return None
        return x.reshape(batch * copies, length, -1)[::copies]

    def get_cached_decision(self, group: str, name: str) -> CachedDecision | None:
        """Return the decision of `group`, one row a sample; None if there is none yet.

        Raises ValueError, naming the layer, if an earlier pass should have made it and did not.
        """
        cached = self.cached_decisions.get(group)
        if cached is None and self.reuse_cached_decisions:
            raise ValueError(
                f"{name} routes by prompt, but the cache that was passed holds no decision: fill "
                "it with a forward of this grafted model, or let generate() do it"
            )
        # Beams and several answers to one prompt are consecutive samples.
        copies = 1 if cached is None else self.batch_size // cached.logits.shape[0]
        if cached is None or copies == 1:
            return cached
        noise = None if cached.noise is None else cached.noise.repeat_interleave(copies, 0)
        return CachedDecision(cached.logits.repeat_interleave(copies, 0), noise)

    def get_tied_results(self, group: str, logits: Tensor) -> dict[Hashable, Any]:
        """Return what the layers of `group` computed from these logits, to read and to add to."""
        known = self.tied_results.get(group)
        if known is None or known[0] is not logits:
            known = self.tied_results[group] = (logits, {})
        return known[1]

    def select_samples(self, samples: Int[Tensor, " chosen"]) -> "RoutingContext":
        """Return the context of some samples of a batch, for a batch that mixes adapters."""
        names = ("task_ids", "prompt_mask", "valid", "modality", "prompt_mean")
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        changed: dict[str, Any] = {name: value[samples] for name, value in given.items()}
        changed["rows_per_sample"] = {
            tower: partial(lambda count_rows: count_rows()[samples], count_rows)
            for tower, count_rows in self.rows_per_sample.items()
        }
        changed |= {"present_tasks": None, "task_positions": {}}  # some tasks may be left out
        return replace(self, batch_size=samples.numel(), adapter_names=None, **changed)

    def get_sample_of_rows(self, tower: str, units: Sequence[int]) -> Int[Tensor, " rows"]:
        """Return the sample that owns each row of a call in `tower`.

        `units` are the axes of the call's input without its features; the first is that of rows.
        Raises ValueError if the rows cannot be divided evenly among the samples, or if they may be
        tokens, with the samples on the second axis.
        """
        rows, *tokens = units
        count_rows = self.rows_per_sample.get(tower)
        if count_rows is not None:
            shares = count_rows()
            if tower in self.assumed_towers:
                _check_whole_rows(shares, rows, tower)
            return compute_sample_index(shares, rows)
        if rows % self.batch_size:
            raise ValueError(
                f"a layer of the {tower} tower was called with {rows} rows, which "
                f"{self.batch_size} samples cannot own evenly; gates that decide by sample or by "
                "task need the samples kept apart (no padding-free packing)"
            )
        if tower in self.assumed_towers and rows != self.batch_size and tokens == [self.batch_size]:
            raise ValueError(
                f"a layer was called with an input of {rows} x {self.batch_size} tokens, and the "
                f"batch has {self.batch_size} samples: the second axis may be theirs, as in the "
                "decoders of DETR and Mask2Former, and coterie does not know this model's family. "
                "Gates that decide by sample or by task need to know: use TokenGate there, or add "
                "a file to coterie.families"
            )
        return torch.arange(rows, device=self.device) // (rows // self.batch_size)

    def get_task_of_rows(self, tower: str, units: Sequence[int]) -> Int[Tensor, " rows"]:
        """Return the task of each row, see `get_sample_of_rows`.

        Raises ValueError also if the batch has no task ids.
        """
        if self.task_ids is None:
            raise ValueError(
                "this model routes by task, but the batch has no task ids: pass task_ids=, an "
                "int64 tensor with the index of each sample's task. (A PeftModelForCausalLM drops "
                "`task_ids` silently: pass coterie_task_ids= there. transformers' Trainer drops "
                "the column of them: set remove_unused_columns=False, and use a collator that "
                "keeps it, which TRL's do not.)"
            )
        return self.task_ids[self.get_sample_of_rows(tower, units)]

    def get_modality_of_tokens(
        self, tower: str, shape: torch.Size, names: Sequence[str]
    ) -> Int[Tensor, "*units"] | None:
        """Return the index in `names` of each token's modality; None if it is not known.

        `shape` is the call's batch axes. Raises ValueError for a modality that `names` lacks.
        """
        if (own := self.tower_modalities.get(tower)) is not None:
            return torch.full(shape, _get_position(names, own), device=self.device)
        if self.modality is None or self.modality.shape.numel() != shape.numel():
            return None
        modality = self.modality.reshape(shape)
        positions = [_get_position(names, each) for each in self.modalities]
        if positions == list(range(len(positions))):
            return modality
        # Comparisons, because a lookup table would have to be copied to the device.
        result = torch.zeros_like(modality)
        for index, position in enumerate(positions):
            result = result.masked_fill(modality == index, position)
        return result


def _check_whole_rows(shares: Float[Tensor, " batch"], rows: int, tower: str) -> None:
    """Raise ValueError unless each sample's share of the rows is a whole number of them."""
    exact = shares.double() * rows / shares.sum()
    if not torch.allclose(exact, exact.round(), rtol=0, atol=1e-6):
        raise ValueError(
            f"a layer of the {tower} tower was called with {rows} rows, and the samples have "
            f"{', '.join(f'{each:g}' for each in shares.tolist())} placeholder tokens: coterie "
            "does not know this model's family, and cannot tell whose row each is. Gates that "
            "decide by sample or by task need that: use TokenGate there, or add a file to "
            "coterie.families"
        )


def _get_position(names: Sequence[str], modality: str) -> int:
    if modality not in names:
        raise ValueError(
            f"the model has {modality} tokens, and the modalities are {', '.join(names)}: add "
            f"{modality!r}, as in ModalityGate(modalities=({', '.join(map(repr, names))}, "
            f"{modality!r}))"
        )
    return tuple(names).index(modality)
