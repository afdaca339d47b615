"""`UnlistedFamily`: what can be said of a model that no file of `coterie.families` describes."""

import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from torch import nn

from coterie.families.base import Inputs, ModelFamily, Role, Shares
from coterie.modalities.base import find_media_modalities, find_tower_modalities

UNKNOWN = "unknown"
"""The tower of modules outside of the language model and of each encoder."""
GET_ENCODER_MODALITIES = ("image", "video", "audio")
"""The modalities that `get_encoder` of transformers takes; it raises for any other."""


class UnlistedFamily(ModelFamily):
    """The family of one model; it has no roles.

    A model of one kind of input (text, images or audio alone) deals its rows out evenly. In one of
    several, the language model is what `get_decoder()` returns, and an encoder what
    `get_encoder(modality=...)` does. The rows of an encoder, and of the connector of the only
    one, are shared by the placeholder tokens whose ids the configuration has: where that gives no
    whole rows, a decision by sample is refused, see `RoutingContext.assumed_towers`.
    """

    model_types: ClassVar[tuple[str, ...]] = ()
    roles: ClassVar[Mapping[str, Role]] = MappingProxyType({})

    def __init__(self, model: nn.Module) -> None:
        config: Any = getattr(model, "config", None)
        taken = set(inspect.signature(model.forward).parameters)
        media = find_media_modalities()
        ids = {name: getattr(config, f"{name}_token_id", None) for name in media}
        self.placeholder_ids = {name: token for name, token in ids.items() if token is not None}
        prefixes: dict[str, str] = {}
        is_mixed = "input_ids" in taken and any({*each.inputs} & taken for each in media.values())
        if is_mixed and (decoder := _find_name(model, "get_decoder")):
            for tower, modality in find_tower_modalities().items():
                if modality not in GET_ENCODER_MODALITIES:
                    continue
                encoder = _find_name(model, "get_encoder", modality=modality)
                if encoder and encoder != decoder:
                    prefixes.setdefault(encoder, tower)
            prefixes |= {decoder: "text", "lm_head.": "text"}
        # An encoder may be inside what is called the decoder.
        self.prefixes = dict(sorted(prefixes.items(), key=lambda item: -len(item[0])))
        encoders = {*self.prefixes.values()} - {"text"}
        self.rest = "connector" if encoders == {"vision"} else UNKNOWN
        self.encoders = (*sorted({*encoders, self.rest}),) if self.prefixes else ()

    def list_towers(self) -> tuple[str, ...]:
        """List the towers, without that of the text."""
        return self.encoders

    def get_placeholder_ids(self, config: Any) -> Mapping[str, int]:
        """Return modality -> the id that the configuration has for its placeholder token."""
        return self.placeholder_ids

    def get_tower(self, name: str) -> str:
        """Return the part of the model that a module is in: "unknown" if that cannot be told."""
        if not self.prefixes:
            return "text"
        found = (tower for prefix, tower in self.prefixes.items() if f"{name}.".startswith(prefix))
        return next(found, self.rest)

    def count_rows_per_sample(self, tower: str, inputs: Inputs, config: Any) -> Shares:
        """Count the placeholder tokens of each sample. Raises ValueError if there are none."""
        if tower == UNKNOWN or not self.placeholder_ids:
            raise ValueError(
                f"coterie does not know the family {config.model_type!r}, and cannot tell which "
                f"sample the rows of its {tower} modules belong to. Gates that decide by sample or "
                "by task need that: use TokenGate there, or add a file to coterie.families"
            )
        return super().count_rows_per_sample(tower, inputs, config)


def _find_name(model: Any, getter: str, **arguments: str) -> str:
    """Return the name, with a dot after it, of the module that a getter returns; "" for none."""
    found = getattr(model, getter, lambda **_: None)(**arguments)
    names = (name for name, module in model.named_modules() if name and module is found)
    name = next(names, "")
    return f"{name}." if name else ""
