"""`AdapterFolder`: the configuration and the tensors' shapes of any PEFT adapter's folder."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from pathlib import Path
from typing import Any

from safetensors import safe_open

from coterie.annotations import abbreviate
from coterie.io import read_text
from coterie.serialization import parse_json
from coterie.tuner.config import PEFT_TYPE_NAME, SAVED_TYPE, WEIGHTS, check_weights

CONFIG = "adapter_config.json"
PREFIX = "base_model.model."
LOW_RANK = re.compile(r"(?P<module>.+)\.lora_(embedding_)?(?P<half>[AB])(\.weight)?")
TYPES: Mapping[str, type | tuple[type, ...]] = {
    "peft_type": str, "r": int, "lora_alpha": (int, float), "target_modules": (str, list),
    "rank_pattern": dict, "alpha_pattern": dict, "modules_to_save": list, "bias": str,
    "use_rslora": bool, "use_dora": bool,
}  # fmt: skip
"""Fields that are read here, and their types; None is allowed, too."""

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class AdapterFolder:
    """A PEFT adapter, without the values of its weights.

    Attributes:
        config: adapter_config.json.
        shapes: name of a tensor -> its shape.
    """

    path: Path
    config: Mapping[str, Any]
    shapes: Mapping[str, Shape]

    @classmethod
    def read(cls, path: Path) -> "AdapterFolder":
        """Read a folder. Raises ValueError, in one line, for files missing, damaged or pickled."""
        file = path / CONFIG
        if not file.is_file():
            raise ValueError(f"{path} has no {CONFIG}: it is not the folder of a PEFT adapter")
        config = parse_json(read_text(file), name=str(file))
        _check_config(config, file)
        check_weights(path)
        if not (path / WEIGHTS).is_file():
            raise ValueError(f"{path} has no {WEIGHTS}: copy or download the adapter again")
        with safe_open(path / WEIGHTS, framework="pt") as opened:
            shapes = {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}
        if not shapes:
            raise ValueError(f"{path / WEIGHTS} has no tensors: the adapter changes nothing")
        return cls(path=path, config=config, shapes=shapes)

    @property
    def peft_type(self) -> str:
        """The PEFT method, such as LORA or COTERIE."""
        name = self.config["peft_type"]
        return PEFT_TYPE_NAME if name == SAVED_TYPE else name

    def get(self, key: str, default: Any = None) -> Any:
        """Return a field of the configuration, `default` if it is missing or None."""
        value = self.config.get(key)
        return default if value is None else value

    @cached_property
    def ranks(self) -> dict[str, int]:
        """Name of a module in the base model -> rank of its LoRA, by the shape of its A or B."""
        found: dict[str, int] = {}
        for name, shape in self.shapes.items():
            match = LOW_RANK.fullmatch(name)
            if match and len(shape) == 2:
                rank = shape[0] if match["half"] == "A" else shape[1]
                found[match["module"].removeprefix(PREFIX)] = rank
        return found

    @cached_property
    def other_tensors(self) -> list[str]:
        """Names of tensors that are no A or B of a LoRA."""
        return [name for name in self.shapes if not LOW_RANK.fullmatch(name)]

    def compute_scale(self, module: str) -> float:
        """Compute the factor by which PEFT multiplies B A at a module."""
        rank = self._find(self.get("rank_pattern", {}), module, self.get("r", 8))
        alpha = self._find(self.get("alpha_pattern", {}), module, self.get("lora_alpha", 8))
        return alpha / (sqrt(rank) if self.get("use_rslora") else rank)

    @staticmethod
    def _find(pattern: Mapping[str, float], module: str, default: float) -> float:
        # As PEFT's `get_pattern_key`: a regular expression of the end of the module's name.
        keys = (key for key in pattern if re.match(rf"(.*\.)?({key})$", module))
        return pattern[key] if (key := next(keys, None)) is not None else default


def _check_config(config: Any, file: Path) -> None:
    if not isinstance(config, dict) or not isinstance(config.get("peft_type"), str):
        raise ValueError(f"{file} has no peft_type: it is not the configuration of a PEFT adapter")
    for key, kind in TYPES.items():
        value = config.get(key)
        if value is not None and not isinstance(value, kind):
            raise ValueError(f"{file}: {key} = {abbreviate(value)} has a wrong type")
    if config["peft_type"] == "LORA":
        for key in ("r", "lora_alpha"):
            if not config.get(key, 8) > 0:
                raise ValueError(f"{file}: {key} = {config[key]}: it must be above 0")
    for pattern in (*(config.get("rank_pattern") or {}), *(config.get("alpha_pattern") or {})):
        _check_pattern(pattern, file)


def _check_pattern(pattern: str, file: Path) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{file}: {pattern!r} is no regular expression: {error}") from error
