"""The tuned part of a checkpoint: LoRAs, routers and connectors on top of a base model."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from coterie import io
from coterie.uni_moe_checkpoint.files import Renaming, TensorFiles, find_file, strip_wrappers
from coterie.uni_moe_checkpoint.layouts import EIGHT, EIGHT_EXPERTS

LORA = re.compile(r"(.+)\.lora_(A|B)(?:\.default)?\.weight")
EXPERT_LORA = re.compile(r"(.+_proj)_lora_(A|B)")


@dataclass(kw_only=True)
class TunedLoras:
    """LoRAs by the name of the module that they change: weight + scale * B A.

    Attributes:
        pairs: module -> {"A": name in `files`, "B": name in `files`}.
        scales: module -> alpha / rank; `scale` is that of the adapter.
    """

    files: TensorFiles = field(default_factory=TensorFiles)
    pairs: dict[str, dict[str, str]] = field(default_factory=dict)
    scales: dict[str, float] = field(default_factory=dict)
    scale: float = 1.0

    def add_adapter(self, folder: Path) -> None:
        """Add the LoRAs of a PEFT adapter. Raises ValueError if a file of it is not there."""
        files = [folder / f"adapter_model.{end}" for end in ("safetensors", "bin")]
        path = next((path for path in files if path.is_file()), None)
        if path is None or not (folder / "adapter_config.json").is_file():
            raise ValueError(
                f"{folder} has no adapter_config.json or no adapter_model.bin: give the folder of "
                "a tuned Uni-MoE checkpoint"
            )
        settings = io.read_json(folder / "adapter_config.json")
        self.scale = settings["lora_alpha"] / settings["r"]
        self._add(path, lambda names: [each.removeprefix("base_model.model.") for each in names])

    def add_router_file(self, path: Path) -> None:
        """Add the LoRAs of the routers. Raises ValueError if they are not the adapter's."""
        own = TensorFiles()
        own.add(path, strip_default)
        for name in own:
            if name in self.files and not torch.equal(own[name], self.files[name]):
                raise ValueError(
                    f"{name} of {path} is not that of the adapter: give files of one training run"
                )
        self._add(path, strip_default)

    def _add(self, path: Path, rename: Renaming) -> None:
        self.files.add(path, rename)
        for name in self.files:
            if match := LORA.fullmatch(name):
                self.pairs.setdefault(match[1], {})[match[2]] = name
                self.scales[match[1]] = self.scale

    def add_expert_files(self, folder: Path, settings: Mapping[str, Any]) -> None:
        """Add the LoRAs of 8 experts, `{0..7}_mlp_experts.bin`; scale as in 8config.json."""
        scale = settings.get("lora_alpha", 16) / settings.get("lora_r", 8)
        own = TensorFiles()
        for expert in range(len(EIGHT_EXPERTS)):
            for files in (own, self.files):
                files.add(find_file(folder, f"{expert}_mlp_experts.bin"), ExpertRenaming(expert))
        for name in own:
            if match := EXPERT_LORA.fullmatch(name.removesuffix(".weight")):
                self.pairs.setdefault(match[1], {})[match[2]] = name
                self.scales[match[1]] = scale

    def merge(self, module: str, weight: Tensor) -> Tensor:
        """Return a module's weight with its LoRA, if it has one, in the dtype of the weight."""
        if module not in self.pairs:
            return weight
        down, up = (self.files[self.pairs[module][half]].float() for half in "AB")
        return (weight.float() + self.scales[module] * (up @ down)).to(weight.dtype)


@dataclass(frozen=True)
class ExpertRenaming:
    """The names of one expert's file, which does not say the expert.

    The released code reads the layer from the third part and the projection from the last but one.
    """

    expert: int

    def __call__(self, names: list[str]) -> list[str]:
        return [self._rename(name, name.split(".")) for name in names]

    def _rename(self, name: str, parts: list[str]) -> str:
        if len(parts) < 5 or not parts[2].isdecimal():
            raise ValueError(
                f"{name} of expert {self.expert} is not model.layers.NUMBER....PROJECTION.weight: "
                "give the published files of 8 experts"
            )
        return EIGHT.name_weight(int(parts[2]), self.expert, parts[-2], kind="routed")


def strip_default(names: list[str]) -> list[str]:
    """Return the names as in an adapter's file: without wrappers, and the adapter's own name."""
    return [name.replace(".default.weight", ".weight") for name in strip_wrappers(names)]
