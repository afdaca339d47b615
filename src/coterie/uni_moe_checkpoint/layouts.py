"""The layouts of published Uni-MoE checkpoints: which tensor of theirs is which expert's."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

PROJECTIONS = ("gate_proj", "up_proj", "down_proj")
LAYER = re.compile(r"model\.layers\.(\d+)\.mlp\.")
DEEPSPEED = "deepspeed_moe.experts.deepspeed_experts"
ExpertKind = Literal["routed", "shared"]
EIGHT_EXPERTS = (
    "mlp_audiocap", "mlp_basev", "mlp_base", "mlp_base1", "mlp_base4", "mlp_base7", "mlp_base",
    "mlp_base7",
)  # fmt: skip
"""The base file of each of 8 experts, without .bin."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where a kind of checkpoint has its experts, inside `model.layers.{i}.mlp.`.

    Attributes:
        expert: the path of a routed expert, with {} for its number.
        gate: the name of the router's weight.
        shared: the path of a shared expert, likewise; None if there are none.
        first: the number of the expert whose weights the plain language model gets.
        towers: beginnings of names of encoders, which are left out; None for all that are not of
            the language model.
    """

    name: str
    expert: str
    gate: str
    shared: str | None = None
    first: int = 0
    towers: tuple[str, ...] | None = ("model.vision_tower.", "model.mm_audio_tower.")

    def name_weight(self, layer: int, expert: int, projection: str, *, kind: ExpertKind) -> str:
        """Return the name of a projection's weight, of a routed or a shared expert."""
        path = self.expert if kind == "routed" else str(self.shared)
        return f"model.layers.{layer}.mlp.{path.format(expert)}.{projection}.weight"

    def name_gate(self, layer: int) -> str:
        """Return the name of a layer's router weight."""
        return f"model.layers.{layer}.mlp.{self.gate}"

    def find_layers(self, names: Iterable[str]) -> list[int]:
        """Return the layers that have a router or an expert."""
        gate, expert = re.escape(self.gate), self._make_pattern(self.expert)
        pattern = re.compile(rf"{LAYER.pattern}(?:{gate}|{expert})")
        return sorted({int(match[1]) for name in names if (match := pattern.fullmatch(name))})

    def count_experts(self, names: Iterable[str], kind: ExpertKind) -> int:
        """Count the experts, by the largest number of one in any layer."""
        path = self.expert if kind == "routed" else self.shared
        if path is None:
            return 0
        pattern = re.compile(LAYER.pattern + self._make_pattern(path))
        return max(
            (int(match[2]) + 1 for each in names if (match := pattern.fullmatch(each))), default=0
        )

    @staticmethod
    def _make_pattern(path: str) -> str:
        return (
            re.escape(path).replace(r"\{\}", r"(\d+)") + rf"\.(?:{'|'.join(PROJECTIONS)})\.weight"
        )


FOUR = Layout(name="4 experts", expert="experts.{}", gate="gate.weight")
EIGHT = Layout(
    name="8 experts", expert=DEEPSPEED + ".{}", gate="deepspeed_moe.gate.wg.weight", first=2
)
OMNI = Layout(
    name="Uni-MoE 2.0-Omni",
    expert=f"dynamic_real_moe.{DEEPSPEED}.{{}}",
    gate="gate.weight",
    shared="fixed_real_moe.{}",
    towers=None,
)


def detect_layout(names: Collection[str], *, has_expert_files: bool) -> Layout:
    """Return the layout of a checkpoint from the names of its tensors, or raise ValueError."""
    if has_expert_files:
        return EIGHT
    for layout, mark in ((OMNI, ".mlp.dynamic_real_moe."), (FOUR, ".mlp.experts.")):
        if any(mark in name for name in names):
            return layout
    raise ValueError(
        "no name holds .mlp.experts. or .mlp.dynamic_real_moe.: this is no published Uni-MoE base "
        "model; of 8 experts also give experts=, the folder of mlp_*.bin"
    )
