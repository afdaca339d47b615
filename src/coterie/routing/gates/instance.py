"""`InstanceGate`: one decision a sample, from its prompt (Awaker2.5-VL, arXiv:2411.10669)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from coterie.annotations import check_choices
from coterie.routing.context import RoutingContext
from coterie.routing.decision import LayerInput, to_full_precision
from coterie.routing.gates.base import Gate, GateLayer, GateOutput, LayerSite, check_init_std


@dataclass(frozen=True, kw_only=True)
class InstanceGate(Gate):
    """logits = W norm(mean of the prompt's tokens) + b: one decision a sample.

    The prompt ends at the first answer token (`labels != -100`): pooling the answer would leak it.
    Departs: Awaker's code pools again for each new token, without the image's features.

    Attributes:
        span: the tokens of the prompt that are averaged. "instruction": the user's turns, media
            included, without system turn, role headers and earlier answers, which are alike in
            all samples (Awaker); "text" and "media", those of its tokens alone; "prompt", all.
            coterie's own batches say which are the user's turns, in `instruction_mask`; a forward
            without that takes the whole prompt, and so does a sample with no token in the span.
        pool: the features that are averaged: "embedding", the language model's input embeddings,
            images included, the same for every layer (Awaker); "hidden", the layer's own input.
        tie: layers that share a decision: "layer", none; "block", the linear layers of one
            block (Awaker: up_proj and down_proj follow gate_proj); "model", all of them.
        norm: divide the mean by its root mean square first (Awaker, whose weights stay at 1).
        bias: add b (as in Awaker's code).
        init_std: standard deviation of W at initialisation.
    """

    decides_per_sample: ClassVar[bool] = True
    span: Literal["instruction", "prompt", "media", "text"] = "instruction"
    pool: Literal["embedding", "hidden"] = "embedding"
    tie: Literal["layer", "block", "model"] = "layer"
    norm: bool = True
    bias: bool = True
    init_std: float = 0.02

    def __post_init__(self) -> None:
        check_choices(self)
        check_init_std(self, self.init_std)

    @property
    def prompt_span(self) -> str | None:
        return self.span

    def get_input_width(self, layer_width: int, embedding_width: int) -> int:
        return embedding_width if self.pool == "embedding" else layer_width

    def get_tie_group(self, name: str) -> str:
        return {"layer": name, "block": name.rpartition(".")[0], "model": "model"}[self.tie]

    def build(self, width: int, experts: int, tasks: int) -> GateLayer:
        bias = torch.zeros(experts) if self.bias else None
        return _InstanceGateLayer(self, torch.randn(experts, width) * self.init_std, bias)


class _InstanceGateLayer(GateLayer):
    def forward(self, x: LayerInput, context: RoutingContext, site: LayerSite) -> GateOutput:
        mean = to_full_precision(self._compute_prompt_mean(x, context, site))
        if self.gate.norm:
            mean = F.rms_norm(mean, mean.shape[-1:], eps=1e-6)
        return GateOutput(logits=self.compute_logits(mean), per_sample=True)

    def _compute_prompt_mean(
        self, x: LayerInput, context: RoutingContext, site: LayerSite
    ) -> Float[Tensor, "batch pooled"]:
        if self.gate.pool == "embedding":
            if context.prompt_mean is None:
                raise ValueError(
                    f"InstanceGate(pool='embedding') at {site.name} has no embedded prompt: it "
                    "runs before the first block of the language model, or coterie cannot tell "
                    "which block that is; use pool='hidden'"
                )
            return context.prompt_mean.to(x.device)
        if site.tower == "text" and context.prompt_mask is not None:
            return compute_prompt_mean(x, context, site.name)
        per_row = x.flatten(1, -2).mean(1) if x.ndim > 2 else x
        owner = context.get_sample_of_rows(site.tower, x.shape[:-1]).to(x.device)
        total = per_row.new_zeros(context.batch_size, x.shape[-1]).index_add(0, owner, per_row)
        rows = torch.bincount(owner, minlength=context.batch_size).clamp(min=1)
        return total / rows[:, None].to(total.dtype)


def compute_prompt_mean(
    x: LayerInput, context: RoutingContext, place: str
) -> Float[Tensor, "batch width"]:
    """Compute the mean of `x`, by token of the text, over each sample's prompt, in float32.

    Raises ValueError, which names the place, if `x` does not have the prompt's tokens.
    """
    assert context.prompt_mask is not None
    mask = context.prompt_mask.to(x.device)
    if context.sample_spans is None:
        tokens = context.select_prompts(x)
        if tokens is None:
            raise ValueError(
                f"InstanceGate(pool='hidden') at {place} sees tokens of shape "
                f"{tuple(x.shape[:-1])}, and those of the prompt are {tuple(mask.shape)}: use "
                "pool='embedding', or other places"
            )
        return compute_masked_mean(tokens, mask)
    tokens = to_full_precision(x.reshape(-1, x.shape[-1]))
    owner = context.get_sample_of_rows("text", tokens.shape[:-1]).to(x.device)
    share = mask.flatten().to(tokens.dtype)
    total = tokens.new_zeros(context.batch_size, x.shape[-1])
    total = total.index_add(0, owner, tokens * share[:, None])
    counts = share.new_zeros(context.batch_size).index_add(0, owner, share)
    return total / counts.clamp(min=1)[:, None]


def compute_masked_mean(
    x: Float[Tensor, "batch seq width"], mask: Bool[Tensor, "batch seq"]
) -> Float[Tensor, "batch width"]:
    """Compute the mean of `x` over the tokens where `mask` is True, in float32."""
    x = to_full_precision(x)
    share = mask.to(x.dtype) / mask.sum(1, keepdim=True).clamp(min=1)
    return torch.bmm(share[:, None], x).squeeze(1)
