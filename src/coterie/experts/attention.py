"""Attention experts: a query and an output map each, over one common key and value head."""

import inspect
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coterie.annotations import check_choices
from coterie.experts.base import ExpertLayer, Experts, cast_for_autocast, expand_gates
from coterie.kernels import attention as kernels
from coterie.kernels.dispatch import LOCAL
from coterie.kernels.mlp_grouped import supports_grouped
from coterie.routing.decision import DeferredRouting, RoutingDecision

# Arguments of attentions with a cache, cross-attention or rotary positions: not supported.
UNSUPPORTED_ARGUMENTS = {
    "past_key_values", "cache", "key_value_states", "position_embeddings", "cu_seqlens",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class AttentionHeads(Experts):
    """Attention experts: expert i is a query map and an output map for the tokens routed to it.

    y = sum_i gates_i * output_i(softmax(query_i(x) key(x)^T / sqrt(head)) value(x)), over a row's
    tokens. Key and value, one head for all experts, have biases and start as the mean of the base
    layer's heads; query and output maps have none, and queries start as its query heads in turn.

    For vision transformers: linear q_proj, k_proj, v_proj and o_proj or out_proj, not causal.

    Source: Mod-Squad (CVPR 2023), after mixture of attention heads (arXiv 2210.05144). Departs:
    both train from scratch with random maps; here they start from a pretrained model. By default
    the experts are added to the model's attention with output maps of zero, where both replace it.

    Attributes:
        count: number of experts, at least 1.
        heads: query heads inside one expert, at least 1.
        replace: the experts replace the base layer; output maps start as its own, for the same
            heads as the query maps, and its output bias is dropped.
        init: "host", as described, or "fresh" for torch's random initialisation of a linear
            layer, for training from scratch.
        kernel: "reference" loops over the experts; "fused" and "auto" compute chosen queries only
            if all tokens have equally many, else all, and all under `torch.compile`.
    """

    attaches_to: ClassVar[Literal["linears", "block"]] = "block"
    label: ClassVar[str] = "attention"
    count: int = 4  # pyright: ignore[reportIncompatibleMethodOverride]  a field answers it
    heads: int = 1
    replace: bool = False
    init: Literal["host", "fresh"] = "host"
    kernel: Literal["auto", "reference", "fused"] = "auto"

    def __post_init__(self) -> None:
        check_choices(self)
        if self.count < 1 or self.heads < 1:
            raise ValueError(
                f"AttentionHeads(count={self.count!r}, heads={self.heads!r}): allowed is 1 or "
                "more of each"
            )

    @property
    def is_additive(self) -> bool:
        return not self.replace

    @property
    def uses_base_weights(self) -> bool:
        return not self.replace

    def build(self, base_layer: nn.Module, shared: Experts | None) -> "AttentionHeadsLayer":
        if shared is None:
            return AttentionHeadsLayer(self, base_layer, self.count)
        if type(shared) is not AttentionHeads or (shared.count, shared.heads) != (1, self.heads):
            raise ValueError(
                f"shared={shared!r}: beside these experts it is AttentionHeads(count=1, "
                f"heads={self.heads})"
            )
        return AttentionHeadsLayer(self, base_layer, self.count + 1)


class AttentionHeadsLayer(ExpertLayer):
    """`query` [segments, heads, head, width], `output` [segments, out, heads, head], key, value."""

    def __init__(self, kind: AttentionHeads, base_layer: nn.Module, segments: int) -> None:
        super().__init__()
        self.kind = kind
        parts, num_heads, head = _inspect_attention(base_layer)
        picked = torch.arange(segments * kind.heads) % num_heads
        query = _get_weight(parts["q_proj"]).unflatten(0, (num_heads, head))[picked]
        self.query = nn.Parameter(query.unflatten(0, (segments, kind.heads)).clone())
        for name, part in (("key", parts["k_proj"]), ("value", parts["v_proj"])):
            weight = _get_weight(part).unflatten(0, (-1, head)).mean(0)
            bias = weight.new_zeros(head) if part.bias is None else part.bias.detach()
            self.register_parameter(name, nn.Parameter(weight))
            self.register_parameter(f"{name}_bias", nn.Parameter(bias.view(-1, head).mean(0)))
        last = _get_weight(parts["output"]).unflatten(1, (num_heads, head))[:, picked]
        output = last.unflatten(1, (segments, kind.heads)).movedim(1, 0).clone()
        self.output = nn.Parameter(output if kind.replace else torch.zeros_like(output))
        if kind.init == "fresh":
            self._sample_weights()

    @torch.no_grad()
    def _sample_weights(self) -> None:
        """Sample weights as torch does for a linear layer; added output maps stay at 0."""
        narrow, wide = self.query.shape[-1] ** -0.5, self.output.shape[-1] ** -0.5
        for name in ("query", "key", "value", "key_bias", "value_bias"):
            self.get_parameter(name).uniform_(-narrow, narrow)
        if self.kind.replace:
            self.output.uniform_(-wide, wide)

    def forward(
        self, base_layer: nn.Module, x: Tensor, deferred: DeferredRouting, *args: Any, **kwargs: Any
    ) -> tuple[tuple[Any, ...], RoutingDecision]:
        """Return the base layer's tuple with a new first entry and without attention weights.

        Raises ValueError if x is not [rows, tokens, width], or the attention is to be causal or
        has a mask that is not the same for all heads.
        """
        if x.ndim != 3 or kwargs.get("is_causal"):
            raise ValueError(
                f"AttentionHeads attends in both directions over [rows, tokens, width]; "
                f"{type(base_layer).__name__} was called with shape {tuple(x.shape)} and "
                f"is_causal={kwargs.get('is_causal')}: use Lora there"
            )
        given, x = x, cast_for_autocast(x)
        mask = _make_mask(kwargs.get("attention_mask", args[0] if args else None), x)
        decision = deferred.make_decision(deferred.resolve(x.flatten(0, 1)))
        gates = expand_gates(decision, deferred, x).unflatten(0, x.shape[:2])
        key, value = (
            F.linear(x, *(self.get_parameter(part).to(x.dtype) for part in (name, f"{name}_bias")))
            for name in ("key", "value")
        )
        call = kernels.AttentionCall(x, gates, self.query, self.output, key, value, mask)
        if self.kind.kernel == "reference":
            y = kernels.attend_reference(call)
        elif torch.compiler.is_compiling():
            y = kernels.attend_dense(call)
        elif self.dispatcher is LOCAL and supports_grouped(x, call.get_stacks()):
            y = kernels.attend_grouped(call)
        else:
            y = kernels.attend_slots(call, self.dispatcher)
        if self.kind.replace:
            return (y, None), decision
        first, *rest = base_layer(given, *args, **kwargs)
        return (first + y, *rest), decision


def _inspect_attention(base_layer: nn.Module) -> tuple[dict[str, nn.Linear], int, int]:
    """Return (linear layers, query heads, features of a head) of a vision transformer's attention.

    Raises ValueError if the attention is not supported.
    """
    children = dict(base_layer.named_children())
    children["output"] = children.get("o_proj", children.get("out_proj", base_layer))
    names = ("q_proj", "k_proj", "v_proj", "output")
    parts = {name: part for name in names if isinstance(part := children.get(name), nn.Linear)}
    head = getattr(base_layer, "head_dim", None)
    foreign = UNSUPPORTED_ARGUMENTS & inspect.signature(base_layer.forward).parameters.keys()
    # An attention without `is_causal` may be causal.
    causal = getattr(base_layer, "is_causal", True)
    if len(parts) < len(names) or not isinstance(head, int) or causal or foreign:
        raise ValueError(
            f"AttentionHeads does not fit {type(base_layer).__name__}: it needs linear q_proj, "
            "k_proj, v_proj and o_proj or out_proj, and attention that is neither causal nor "
            "cached nor rotated, as in ViT, DINOv2, CLIP, SigLIP and Idefics3's vision tower; use "
            "Lora there"
        )
    return parts, parts["q_proj"].out_features // head, head


def _get_weight(linear: nn.Linear) -> Tensor:
    if not linear.weight.is_floating_point():
        raise ValueError(
            f"AttentionHeads starts from the base layer's weights, but one is "
            f"{linear.weight.dtype}: use Lora on a quantised model"
        )
    return linear.weight.detach()


def _make_mask(mask: object, x: Tensor) -> kernels.Mask | None:
    if mask is None:
        return None
    rows, tokens, _ = x.shape
    wanted = (rows, 1, tokens, tokens)
    shape = (*[1] * (4 - mask.ndim), *mask.shape) if isinstance(mask, Tensor) else ()
    fits = len(shape) == 4 and all(a in (1, b) for a, b in zip(shape, wanted, strict=True))
    if not isinstance(mask, Tensor) or not fits:
        raise ValueError(
            f"attention_mask is a {type(mask).__name__} of shape {shape}; allowed are None and a "
            f"bool or float tensor that broadcasts to {wanted}, the same for all heads"
        )
    mask = mask.reshape(shape)
    return mask.to(x.dtype) if mask.is_floating_point() else mask.bool()
