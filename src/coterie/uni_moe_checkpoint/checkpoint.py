"""A published checkpoint, opened: its layout, weights, LoRAs and configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import LlamaConfig, PretrainedConfig, Qwen2Config

from coterie import io
from coterie.uni_moe_checkpoint.files import (
    TensorFiles,
    find_file,
    list_weight_files,
    strip_wrappers,
)
from coterie.uni_moe_checkpoint.layouts import (
    EIGHT_EXPERTS,
    OMNI,
    ExpertKind,
    Layout,
    detect_layout,
)
from coterie.uni_moe_checkpoint.tuned import LORA, ExpertRenaming, TunedLoras

SIDE_FILES = ("non_lora_trainables.bin", "mm_projector.bin", "mm_audio_aligner.bin",
              "mlp_gates.bin")  # fmt: skip
"""In the order in which the released code loads them; each overrides those before it."""
SIZES = (
    "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "hidden_act",
    "max_position_embeddings", "rms_norm_eps", "tie_word_embeddings", "bos_token_id",
    "eos_token_id", "pad_token_id",
)  # fmt: skip
"""Of config.json, what a language model without encoders needs; other sizes are of the tensors."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A base model's weights with those that override them, and the LoRAs on top.

    `settings` are those of config.json and, of 8 experts, of 8config.json.
    """

    layout: Layout
    settings: Mapping[str, Any]
    weights: TensorFiles
    loras: TunedLoras

    @classmethod
    def open(cls, base: Path, *, tuned: Path | None, experts: Path | None) -> "Checkpoint":
        """Open the files of a checkpoint; see `convert_uni_moe`."""
        weights, loras = TensorFiles(), TunedLoras()
        for path in list_weight_files(base):
            weights.add(path)
        layout = detect_layout(weights, has_expert_files=experts is not None)
        settings = io.read_json(find_file(base, "config.json"))
        settings |= settings.get("text_config", {})
        if tuned is not None:
            loras.add_adapter(tuned)
            for path in filter(Path.is_file, (tuned / name for name in SIDE_FILES)):
                weights.add(path, strip_wrappers)
            if (tuned / SIDE_FILES[-1]).is_file():
                loras.add_router_file(tuned / SIDE_FILES[-1])
            for name in [name for name in weights if LORA.fullmatch(name)]:
                weights.drop(name)
        if experts is not None:
            settings |= _add_eight_experts(weights, loras, base, tuned, experts)
        return cls(layout=layout, settings=settings, weights=weights, loras=loras)

    @property
    def layers(self) -> list[int]:
        """The layers that have experts."""
        return self.layout.find_layers(self.weights)

    @property
    def counts(self) -> tuple[int, int, int]:
        """The numbers of routed, null and shared experts; null ones are rows of the router alone.

        Raises ValueError if the router has fewer rows than there are experts.
        """
        routed, shared = (
            self.layout.count_experts(self.weights, kind) for kind in ("routed", "shared")
        )
        gates = map(self.layout.name_gate, self.layers)
        rows = next((len(self.weights[name]) for name in gates if name in self.weights), 0)
        if not 0 < routed <= rows - shared:
            raise ValueError(
                f"the router has {rows} rows for {routed} routed and {shared} shared experts: give "
                "all files of one checkpoint"
            )
        return routed, rows - routed - shared, shared

    def get_width(self, kind: ExpertKind) -> int:
        """Return the hidden units of a routed or a shared expert."""
        name = self.layout.name_weight(self.layers[0], 0, "down_proj", kind=kind)
        return self.weights[name].shape[1]

    def has_router_lora(self, layer: int) -> bool:
        """Return whether a layer's router has a LoRA."""
        return self.layout.name_gate(layer).removesuffix(".weight") in self.loras.pairs

    def make_config(self) -> PretrainedConfig:
        """Return the configuration of the language model alone."""
        if not self.layers or "model.embed_tokens.weight" not in self.weights:
            raise ValueError(
                f"the checkpoint has no {self.layout.name_gate(0)} or no "
                f"model.embed_tokens.weight, as {self.layout.name} have them: give all its files"
            )
        sizes = {name: self.settings[name] for name in SIZES if name in self.settings}
        theta = self.settings.get("rope_theta", 10_000.0)
        kind = Qwen2Config if self.layout is OMNI else LlamaConfig
        return kind(
            **sizes,
            vocab_size=len(self.weights["model.embed_tokens.weight"]),
            intermediate_size=self.get_width("routed"),
            rope_parameters={"rope_type": "default", "rope_theta": theta},
        )


def _add_eight_experts(
    weights: TensorFiles, loras: TunedLoras, base: Path, tuned: Path | None, experts: Path
) -> Mapping[str, Any]:
    """Add the files of 8 experts and their LoRAs, and return the settings of 8config.json."""
    if tuned is None:
        raise ValueError("experts= is for 8 experts, whose LoRAs are in tuned=: give both")
    paths = (folder / "8config.json" for folder in (tuned, base))
    settings = next((io.read_json(path) for path in paths if path.is_file()), {})
    for number, stem in enumerate(EIGHT_EXPERTS):
        weights.add(find_file(experts, f"{stem}.bin"), ExpertRenaming(number))
    loras.add_expert_files(tuned, settings)
    return settings
