"""`Host`: the module names and shapes of a base model, built without its weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from coterie.families.base import find_family
from coterie.models.base_config import load_config, resolve_base
from coterie.plugins import MODELS
from coterie.third_party_warnings import suppress_third_party_warnings

TEXT = "text"


@dataclass(frozen=True)
class Host:
    """A base model on the meta device: its modules and shapes, and no weights."""

    model: nn.Module

    @classmethod
    def load(cls, base: str | Path) -> "Host":
        """Build the model of a folder, a hub id or a plugin's name from its config.json alone.

        Raises ValueError if there is none, or transformers has no class for it.
        """
        folder = resolve_base(base, MODELS)
        return cls.build(load_config(folder), str(base))

    @classmethod
    def build(cls, config: Any, name: str) -> "Host":
        """Build the class that a configuration's `architectures` names, as servers do."""
        kind = _find_class(config, name)
        # Quantised weights are packed in other shapes; a LoRA beside them has those of the module.
        config.__dict__.pop("quantization_config", None)
        with suppress_third_party_warnings(), torch.device("meta"):
            return cls(kind(config))

    @property
    def name(self) -> str:
        """The class of the model."""
        return type(self.model).__name__

    @cached_property
    def modules(self) -> Mapping[str, nn.Module]:
        """Name of a module -> the module."""
        return dict(self.model.named_modules())

    @cached_property
    def linears(self) -> Mapping[str, tuple[int, ...]]:
        """Name of a linear layer or embedding -> shape of its weight."""
        kinds = (nn.Linear, nn.Embedding)
        return {
            name: tuple(module.weight.shape)
            for name, module in self.modules.items()
            if isinstance(module, kinds)
        }

    def get_tower(self, module: str) -> str:
        """Return the part of the model that a module is in: text, vision, connector, audio.

        Everything is text in a family that coterie does not know.
        """
        family = find_family(self.model)
        return TEXT if family is None else family.get_tower(module)


def _find_class(config: Any, name: str) -> Any:
    import transformers
    from transformers import AutoModel

    named = getattr(config, "architectures", None) or [None]
    kind = getattr(transformers, str(named[0]), None)
    if kind is not None:
        return kind
    mapping: Any = AutoModel._model_mapping
    for auto in (transformers.AutoModelForImageTextToText, transformers.AutoModelForCausalLM):
        if type(config) in auto._model_mapping:
            mapping = auto._model_mapping
            break
    if type(config) not in mapping:
        raise ValueError(f"base={name!r}: transformers has no class for a {config.model_type!r}")
    return mapping[type(config)]
