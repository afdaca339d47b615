"""Which tensors of a checkpoint make each tensor of a language model and of an adapter."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, PretrainedConfig

from coterie.experts.copies import Copies
from coterie.experts.lora import Lora
from coterie.experts.null import Null
from coterie.mixture import Mixture
from coterie.routing.gates.token import TokenGate
from coterie.routing.routers.base import Router
from coterie.routing.routers.top_k import TopK
from coterie.routing.routers.top_p import TopP
from coterie.uni_moe_checkpoint.checkpoint import Checkpoint
from coterie.uni_moe_checkpoint.layouts import EIGHT, LAYER, OMNI, PROJECTIONS, ExpertKind

PREFIX = "base_model.model."
CONNECTORS = ("model.mm_projector.", "model.mm_audio_aligner.")
LANGUAGE_MODEL = ("model.layers.", "model.embed_tokens.", "model.norm.", "lm_head.")


class PlannedTensor(NamedTuple):
    """A tensor that is made when it is written."""

    dtype: torch.dtype
    make: Callable[[], Tensor]


class Contents:
    """The names that a checkpoint should have, and what is made of them."""

    def __init__(self, checkpoint: Checkpoint, config: PretrainedConfig, *, router: str) -> None:
        """Raise ValueError if layers differ in their experts, or shared ones do not fit."""
        self.checkpoint, self.layout, self.router = checkpoint, checkpoint.layout, router
        self.layers, (self.routed, self.null, self.shared) = checkpoint.layers, checkpoint.counts
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
        names = [name for name in model.state_dict() if name != "lm_head.weight"]
        self.base_names = names if config.tie_word_embeddings else [*names, "lm_head.weight"]
        self.expected = {*filter(lambda name: not self._is_replaced(name), self.base_names)}
        for layer in self.layers:
            self.expected |= {self.layout.name_gate(layer), *self._list_expert_names(layer)}
        modules = {name.removesuffix(".weight") for name in self.expected}
        self.plain_loras = [
            each
            for each, halves in checkpoint.loras.pairs.items()
            if len(halves) == 2 and each in modules and f"{each}.weight" in self.base_names
        ]
        self.mixtures = (self._make_mixture(), *self._make_plain_loras())

    def _is_replaced(self, name: str) -> bool:
        match = LAYER.match(name)
        return match is not None and int(match[1]) in self.layers

    def _list_expert_names(self, layer: int) -> Iterable[str]:
        counts: dict[ExpertKind, int] = {"routed": self.routed, "shared": self.shared}
        for kind, count in counts.items():
            for expert in range(count):
                for projection in PROJECTIONS:
                    yield self.layout.name_weight(layer, expert, projection, kind=kind)

    def _make_mixture(self) -> Mixture:
        copies = Copies(count=self.routed)
        router: Router = TopK(
            k=self.checkpoint.settings.get("num_experts_per_tok", 2), normalize="selected"
        )
        if self.layout is OMNI:
            p = self.checkpoint.settings.get("mlp_dynamic_top_p", 0.7)
            router = TopP(p=p, weights="sparse_mixer")
        shared = None
        if self.shared:
            wide, narrow = (self.checkpoint.get_width(kind) for kind in ("routed", "shared"))
            if wide % narrow:
                raise ValueError(
                    f"shared experts have {narrow} hidden units and routed ones {wide}, which is "
                    "no multiple of it: such a checkpoint cannot be converted"
                )
            shared = Copies(count=self.shared, divisor=wide // narrow)
        return Mixture(
            at=tuple(f"model.layers.{layer}.mlp" for layer in self.layers),
            experts=(copies, Null(count=self.null)) if self.null else copies,
            gate=TokenGate(),
            router=router,
            shared=shared,
            blend="softmax" if shared else "add",
        )

    def _make_plain_loras(self) -> Iterable[Mixture]:
        """Yield a mixture of one LoRA, without a gate, for each rank and scale."""
        loras = self.checkpoint.loras
        groups: dict[tuple[int, float], list[str]] = {}
        for module in self.plain_loras:
            rank = len(loras.files[loras.pairs[module]["A"]])
            groups.setdefault((rank, loras.scales[module]), []).append(module)
        for (rank, scale), modules in groups.items():
            yield Mixture(
                at=tuple(modules), experts=Lora(ranks=(rank,), alpha=scale * rank), gate=None
            )

    def list_connectors(self) -> list[str]:
        """List the weights between encoders and language model."""
        return [name for name in self.checkpoint.weights if name.startswith(CONNECTORS)]

    def list_left_out(self) -> list[str]:
        """List the weights that nothing is made of: encoders, and experts of another layout."""
        return [
            name
            for name in self.checkpoint.weights
            if name not in self.expected and self._is_left_out(name)
        ]

    def _is_left_out(self, name: str) -> bool:
        if self.layout.towers is None:
            return not name.startswith(LANGUAGE_MODEL + CONNECTORS)
        # The base model of 8 experts is that of 4, whose experts are not used.
        is_other = self.layout is EIGHT and re.match(rf"{LAYER.pattern}(experts|gate)\.", name)
        known = name.startswith(self.layout.towers) or name.endswith(".rotary_emb.inv_freq")
        return known or bool(is_other)

    def check(self, report: Path) -> None:
        """Raise ValueError for missing and unexpected names, after writing them all to a file."""
        missing, unexpected = self._find_missing(), self._find_unexpected()
        if not (missing or unexpected):
            return
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(json.dumps({"missing": missing, "unexpected": unexpected}, indent=2))
        parts = [
            f"{len(names)} {what} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
            for what, names in (("missing", missing), ("unexpected", unexpected))
            if names
        ]
        raise ValueError(
            f"names do not fit the layout of {self.layout.name}: {'; '.join(parts)}. All are in "
            f"{report}; give the complete published files, of one run"
        )

    def _find_missing(self) -> list[str]:
        """Return missing weights, halves of LoRAs, and LoRAs that like modules have."""
        pairs, weights = self.checkpoint.loras.pairs, self.checkpoint.weights
        found = sorted(self.expected - set(weights))
        kinds = {_get_kind(module) for module in pairs}
        for name in sorted(self.expected):
            module = name.removesuffix(".weight")
            if _get_kind(module) in kinds:
                halves = pairs.get(module, {})
                found += [f"{module}.lora_{half}.weight" for half in "AB" if half not in halves]
        return found

    def _find_unexpected(self) -> list[str]:
        known = {*self.expected, *self.list_connectors(), *self.list_left_out()}
        found = [name for name in self.checkpoint.weights if name not in known]
        loras = self.checkpoint.loras
        used = {
            name
            for module, pair in loras.pairs.items()
            if f"{module}.weight" in self.expected
            for name in pair.values()
        }
        gates = {self.layout.name_gate(layer) for layer in self.layers}
        return sorted([*found, *(n for n in loras.files if n not in used and n not in gates)])

    def make_base_weight(self, name: str) -> PlannedTensor:
        """Return a tensor of the language model; under experts, that of one of them."""
        if self._is_replaced(name):
            layer, projection = int(name.split(".")[2]), name.split(".")[-2]
            name = self.layout.name_weight(layer, self.layout.first, projection, kind="routed")
        weights = self.checkpoint.weights
        return PlannedTensor(weights.get_dtype(name), lambda: weights[name])

    def make_adapter_weight(self, name: str) -> PlannedTensor:
        """Return a tensor of the adapter."""
        place, _, part = name.removeprefix(PREFIX).rpartition(".coterie_")
        if part in ("experts.down", "experts.up"):
            files, half = self.checkpoint.loras.files, "A" if part.endswith("down") else "B"
            source = self.checkpoint.loras.pairs[place][half]
            make = files[source].clone if half == "A" else files[source].t
            return PlannedTensor(files.get_dtype(source), make)
        layer = int(place.split(".")[2])
        if part == "gate.weight":
            return self._merge([self.layout.name_gate(layer)], self.router == "as_trained")
        projection = part.removeprefix("experts.").removeprefix("shared__").split("__")[0]
        kind = "shared" if "shared__" in part else "routed"
        names = [
            self.layout.name_weight(layer, expert, projection, kind=kind)
            for expert in range(self.shared if kind == "shared" else self.routed)
        ]
        return self._merge(names, True)

    def _merge(self, names: Sequence[str], with_lora: bool) -> PlannedTensor:
        """Return the weights with their LoRAs; several are stacked."""
        weights, loras = self.checkpoint.weights, self.checkpoint.loras

        def make() -> Tensor:
            parts = [
                loras.merge(n.removesuffix(".weight"), weights[n]) if with_lora else weights[n]
                for n in names
            ]
            return parts[0] if names[0].endswith(self.layout.gate) else torch.stack(parts)

        return PlannedTensor(weights.get_dtype(names[0]), make)


def _get_kind(module: str) -> str:
    """Return the name without numbers of layers and experts."""
    return re.sub(r"\d+", "#", module)
