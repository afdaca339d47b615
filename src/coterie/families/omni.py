"""The omni model of `coterie.models.omni`: a language model, a tower a modality, connectors."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, TypeVar

import torch

from coterie.families.base import (
    Inputs,
    ModelFamily,
    Role,
    Shares,
    make_block_roles,
    make_role,
    require_input,
)
from coterie.families.llama import make_decoder_roles
from coterie.modalities.base import find_media_modalities, get_media_modality

Item = TypeVar("Item")
LAYER = r"\.(\w+\.)*layers?\.\d+\."
"""From a tower's name to a transformer layer in it."""


class ForModalities(Mapping[str, Item]):
    """A mapping that is computed from the modalities that are installed."""

    def __init__(self, make: Callable[[], Mapping[str, Item]]) -> None:
        self.make = make

    def __getitem__(self, key: str) -> Item:
        return self.make()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.make())

    def __len__(self) -> int:
        return len(self.make())


def list_own_towers() -> tuple[str, ...]:
    """List the modalities whose towers are named for them: all but images."""
    return tuple(name for name in find_media_modalities() if name != "image")


def match_image_tower() -> str:
    """Return a regular expression of the names of image towers: those of no other modality."""
    return rf"(model\.)?(?!{'|'.join(list_own_towers())})\w+_tower"


def make_roles() -> dict[str, Role]:
    """Return the roles of the text, of each modality's tower, and of the connectors."""
    towers = {"vision": match_image_tower()}
    towers |= {name: rf"(model\.)?{name}\w*_tower" for name in list_own_towers()}
    roles = make_decoder_roles(r"(model\.)?language_model\.")
    for tower, names in towers.items():
        attention = r"(self_attn|attention)"
        roles |= make_block_roles(tower, names + LAYER, attention, r"(q|k|v|o|out)_proj")
    return {**roles, "connector": make_role(r"(model\.)?connectors\.\w+", r"linear_[12]")}


def make_towers() -> dict[str, str]:
    """Return tower -> regular expression of the names of all modules in it.

    The connectors of a modality other than images count to its tower: their rows are items, each
    owned by the sample it is in.
    """
    own = {
        name: rf"(model\.)?({name}\w*_tower|connectors\.{name}\w*)(\..*)?"
        for name in list_own_towers()
    }
    rest = {"connector": r"(model\.)?connectors(\..*)?", "vision": r"(model\.)?\w+_tower(\..*)?"}
    return own | rest


class Omni(ModelFamily):
    """The omni model on any llama-like decoder. Experts do not fit the convolutional tower.

    Names of encoders begin with their modality, those of images with any other word.
    """

    model_types = ("coterie_omni",)
    roles: ClassVar[Mapping[str, Role]] = ForModalities(make_roles)
    towers: ClassVar[Mapping[str, str]] = ForModalities(make_towers)

    def get_placeholder_ids(self, config: Any) -> Mapping[str, int]:
        """Return modality -> its placeholder token id, of those that the model has one for."""
        found = {name: config.get_placeholder_id(name) for name in find_media_modalities()}
        return {name: token for name, token in found.items() if token is not None}

    def count_rows_per_sample(self, tower: str, inputs: Inputs, config: Any) -> Shares:
        """Count the pictures, clips, recordings and so on of each sample.

        An item belongs to the sample that has its last token. In a tower of images, an item has as
        many rows as tiles or frames. Images that are all encoded as a whole are counted up to a
        factor: all give the same number of tokens.
        """
        given = [name for name in ("image", "video") if is_given(name, inputs)]
        name = tower if tower not in ("vision", "connector") else (given or ["image"])[0]
        names = get_media_modality(name)
        lengths = inputs.get(names.lengths or "")
        if len(given) > 1 and (tower == "vision" or shares_connector(config)):
            raise ValueError(
                f"The batch has images and videos. The {tower} tower runs once for each, so that "
                "its rows cannot be told apart; put them into separate batches."
            )
        if given == ["image"] and name == "image" and lengths is None:
            return super().count_rows_per_sample(tower, inputs, config)
        ids = require_input(inputs, "input_ids")
        if lengths is None:
            values = [inputs.get(each) for each in (names.values, names.features)]
            count = next((len(each) for each in values if each is not None), 0)
            lengths = torch.zeros(count, dtype=torch.long, device=ids.device)
        owners = config.find_media_owners(name, ids, lengths)
        is_own = owners[:, None] == torch.arange(len(ids), device=owners.device)
        rows = lengths.to(owners.device) if tower == "vision" else torch.ones_like(owners)
        return (is_own * rows[:, None]).sum(0).float()


def is_given(modality: str, inputs: Inputs) -> bool:
    """Return whether a batch has a modality, as values or as features."""
    names = get_media_modality(modality)
    return any(inputs.get(each) is not None for each in (names.values, names.features))


def shares_connector(config: Any) -> bool:
    """Return whether videos go through the connector of images."""
    return any(each.get("shares_connector") for each in config.encoders)
