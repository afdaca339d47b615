"""What gates and tapes may know of the batch that is being run: one `State` a forward pass."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from coterie.routing.decision import MODALITIES, Tape


class CachedDecision(NamedTuple):
    """A decision that holds for whole samples, kept for tied layers and for later tokens."""

    logits: Float[Tensor, "batch experts"]
    noise: Float[Tensor, "batch experts"] | None


@dataclass(kw_only=True)
class RoutingContext:
    """The batch of one forward pass, as far as routing is concerned.

    Attributes:
        batch: samples in this pass.
        device: where the batch lives.
        task_ids: the task of each sample.
        single_task: the task that fills the batch, where that is known without asking the GPU.
        prompt: tokens the answer has not touched; None when there is no text.
        valid: False for padding.
        modality: index into `MODALITIES` of each token.
        shares: how many rows of the vision tower each sample owns, up to a factor; called only
            where a gate in that tower decides by sample.
        sounds: the same of the audio tower.
        sample_index: `coterie.families.base.sample_index`, handed in.
        settled: decisions made for whole samples, by the layers' tie group.
        reuse: `settled` was made by an earlier pass over the prompt and must be taken as it is.
        prompt_mean: mean of the language model's input embeddings over the prompt.
        adapter_names: the adapter of each sample, in a mixed batch.
        tape: where layers write their routing; None when nobody observes.
        previous: the state this one was opened inside of.
    """

    batch_size: int
    device: torch.device
    task_ids: Int[Tensor, " batch"] | None = None
    single_task: int | None = None
    prompt_mask: Bool[Tensor, "batch seq"] | None = None
    valid: Bool[Tensor, "batch seq"] | None = None
    modality: Int[Tensor, "batch seq"] | None = None
    vision_rows_per_sample: Callable[[], Float[Tensor, " batch"]] | None = None
    audio_rows_per_sample: Callable[[], Float[Tensor, " batch"]] | None = None
    sample_index: Callable[[Tensor, int], Tensor] | None = None
    cached_decisions: dict[str, CachedDecision] = field(default_factory=dict)
    reuse_cached_decisions: bool = False
    prompt_mean: Float[Tensor, "batch pooled"] | None = None
    adapter_names: tuple[str, ...] | None = None
    tape: Tape | None = None
    outer_context: "RoutingContext | None" = None

    def replay(self) -> "RoutingContext":
        """The state for a recomputed forward: the same batch, nothing written on the tape twice."""
        return replace(
            self, tape=None, outer_context=None, cached_decisions=dict(self.cached_decisions)
        )

    def get_cached_decision(self, group: str, name: str) -> CachedDecision | None:
        """What was settled for `group`, a row for each sample of this pass; None if nothing yet."""
        kept = self.cached_decisions.get(group)
        if kept is None:
            if self.reuse_cached_decisions:
                raise ValueError(
                    f"{name} routes by prompt, but the cache that was passed holds no decision: "
                    "fill it with a forward of this grafted model, or let generate() do it"
                )
            return None
        # Beams and several answers a prompt follow one another, prompt by prompt.
        copies = self.batch_size // kept.logits.shape[0]
        if copies == 1:
            return kept
        noise = None if kept.noise is None else kept.noise.repeat_interleave(copies, 0)
        return CachedDecision(kept.logits.repeat_interleave(copies, 0), noise)

    def select_samples(self, samples: Int[Tensor, " chosen"]) -> "RoutingContext":
        """The state of some samples of a text batch, for a batch that mixes adapters."""

        def pick(value: Tensor | None) -> Tensor | None:
            return None if value is None else value[samples]

        shares, sounds = self.vision_rows_per_sample, self.audio_rows_per_sample
        return replace(
            self,
            batch_size=int(samples.numel()),
            task_ids=pick(self.task_ids),
            prompt_mask=pick(self.prompt_mask),
            valid=pick(self.valid),
            modality=pick(self.modality),
            prompt_mean=pick(self.prompt_mean),
            shares=None if shares is None else lambda: shares()[samples],
            sounds=None if sounds is None else lambda: sounds()[samples],
            adapter_names=None,
        )

    def get_sample_of_rows(self, tower: str, rows: int) -> Int[Tensor, " rows"]:
        """Which sample owns each row of a call with `rows` leading rows, in `tower`."""
        shares = {
            "vision": self.vision_rows_per_sample,
            "connector": self.vision_rows_per_sample,
            "audio": self.audio_rows_per_sample,
        }.get(tower)
        if shares is not None:
            assert self.sample_index is not None
            return self.sample_index(shares(), rows)
        if rows % self.batch_size:
            raise ValueError(
                f"a layer of the {tower} tower was called with {rows} rows, which "
                f"{self.batch_size} samples cannot own evenly; gates that decide by sample or by task "
                "need the samples kept apart (no padding-free packing)"
            )
        return torch.arange(rows, device=self.device) // (rows // self.batch_size)

    def get_task_of_rows(self, tower: str, rows: int) -> Int[Tensor, " rows"]:
        """The task of each row; see `sample_of`."""
        return self.require_task_ids()[self.get_sample_of_rows(tower, rows)]

    def require_task_ids(self) -> Int[Tensor, " batch"]:
        """The task ids, or one clear error where the batch has none."""
        if self.task_ids is None:
            raise ValueError(
                "this model routes by task, but the batch has no task ids: pass task_ids=, an "
                "int64 tensor with the index of each sample's task. (A PeftModelForCausalLM drops "
                "`task_ids` silently; pass coterie_task_ids= there.)"
            )
        return self.task_ids

    def get_modality_of_tokens(self, tower: str, shape: torch.Size) -> Int[Tensor, "*units"] | None:
        """The modality of each token of a call whose batch axes are `shape`; None if unknown."""
        if tower in ("vision", "connector"):
            return torch.full(shape, MODALITIES.index("image"), device=self.device)
        if tower == "audio":
            return torch.full(shape, MODALITIES.index("audio"), device=self.device)
        if self.modality is None or self.modality.shape.numel() != shape.numel():
            return None
        return self.modality.reshape(shape)
