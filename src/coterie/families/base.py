"""The interface of a model family: its roles, its placeholders, and the owners of its rows."""

import re
from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from coterie import families as family_package
from coterie.modalities.base import find_modalities
from coterie.serialization import find_kinds

Inputs = Mapping[str, Any]
"""Keyword arguments of a model's forward, as the processor returned them."""
Shares = Float[Tensor, " batch"]
"""The numbers of rows that samples own, right up to a common factor, at least 0."""


@dataclass(frozen=True, kw_only=True)
class Role:
    """The modules of one role: regular expressions that match full module names.

    Attributes:
        block: the block itself (an attention, an MLP, a connector), which experts may replace.
        linears: the linear layers in it, which low-rank experts are added to.
    """

    block: str
    linears: str


def make_role(block: str, linears: str) -> Role:
    """Return the role of a block, with its linear layers by their names inside it."""
    return Role(block=block, linears=rf"{block}\.{linears}")


def make_block_roles(
    tower: str,
    layer: str,
    attention: str,
    attention_linears: str,
    mlp_linears: str = "fc[12]",
    *,
    mlp: str = "mlp",
) -> dict[str, Role]:
    """Return the attn and mlp roles of a tower.

    `layer` is the module name of a layer with the dot after it, `attention` and `mlp` are names
    inside it; the linear layers are named inside these. All are regular expressions.
    """
    return {
        f"{tower}.attn": make_role(layer + attention, attention_linears),
        f"{tower}.mlp": make_role(layer + mlp, mlp_linears),
    }


class ModelFamily(ABC):
    """A model family. One file a family; found by `config.model_type`, listed nowhere.

    Names are those of `named_modules()` of the `PreTrainedModel`, of the class with a head as well
    as of the bare one that `AutoModel` builds.

    Attributes:
        model_types: the values of `config.model_type` in this family.
        roles: text.attn, text.mlp, vision.attn, vision.mlp and connector, those the family has.
        towers: the name of a tower, such as vision, connector or audio, as modalities have them ->
            regular expression of all module names in it. The first that matches counts, so a
            connector inside a tower comes before the tower. Any other name is of a part whose
            rows are of no modality: gates that decide by sample or by task are refused there.
        placeholders: the modalities with placeholder tokens in `input_ids`, whose ids the
            configuration has as `image_token_id` and the like.
        new_parameters: a regular expression of full names of newly initialised parameters, such as
            heads, which are trained in every stage. "" for none.
        packages: model type -> packages of the extra `families` that its processor or a tower of it
            imports. Videos need torchvision everywhere.
    """

    model_types: ClassVar[tuple[str, ...]]
    roles: ClassVar[Mapping[str, Role]]
    towers: ClassVar[Mapping[str, str]] = MappingProxyType({})
    placeholders: ClassVar[tuple[str, ...]] = ()
    new_parameters: ClassVar[str] = ""
    packages: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType({})

    def list_towers(self) -> tuple[str, ...]:
        """List the towers, without that of the text."""
        return tuple(self.towers)

    def get_tower(self, name: str) -> str:
        """Return the part of the model that a module is in: text, vision, connector or audio."""
        towers = self.towers.items()
        return next((tower for tower, names in towers if re.fullmatch(names, name)), "text")

    def is_connector(self, name: str) -> bool:
        """Return whether a module is in a connector, of any tower.

        A connector whose rows are those of an encoder may be counted to the encoder's tower.
        """
        role = self.roles.get("connector")
        block = None if role is None else re.match(rf"({role.block})(\.|$)", name)
        return block is not None or self.get_tower(name).endswith("connector")

    def get_placeholder_ids(self, config: Any) -> Mapping[str, int]:
        """Return modality (image, video, audio) -> its placeholder token id in `input_ids`."""
        found = {name: getattr(config, f"{name}_token_id") for name in self.placeholders}
        return {name: token for name, token in found.items() if token is not None}

    def count_rows_per_sample(self, tower: str, inputs: Inputs, config: Any) -> Shares:
        """Count the rows of a tower (or its connector) that each sample owns.

        No synchronisation with the device. The placeholder tokens of the modalities that the tower
        encodes are counted, which is right for every family in which each row gives the same number
        of tokens; others override this. A family without placeholders has one image a sample.

        Raises ValueError if `input_ids`, or `pixel_values` without placeholders, are missing, or
        two modalities of the tower, such as images and videos, are in one batch.
        """
        tokens = self.get_placeholder_ids(config)
        if not tokens:
            pixel_values = require_input(inputs, "pixel_values")
            return torch.ones(len(pixel_values), device=pixel_values.device)
        encoded = [each for each in find_modalities() if tower in each.towers]
        names = [name for each in encoded for name in each.inputs[:1]]
        given = [name for name in names if inputs.get(name) is not None]
        if len(given) > 1:
            raise ValueError(
                f"The batch has {' and '.join(given)}. The {tower} tower runs once for each, so "
                "that its rows cannot be told apart; put them into separate batches."
            )
        input_ids = require_input(inputs, "input_ids")
        counts = torch.zeros(len(input_ids), device=input_ids.device)
        for each in encoded:
            if each.name in tokens:
                counts = counts + (input_ids == tokens[each.name]).sum(-1)
        return counts

    def get_task_of_rows(self, inputs: Inputs, config: Any) -> Int[Tensor, " rows"] | None:
        """Return the task of each row of the blocks' input, if the model computes these itself.

        None for nearly all families: rows are the batch's samples, and the caller gives the tasks.
        """
        return None

    def find_site_problem(
        self, names: Sequence[str], tasks: Sequence[str], config: Any
    ) -> str | None:
        """Return why these modules cannot have experts for these tasks; None if they can."""
        return None


def require_input(inputs: Inputs, name: str) -> Tensor:
    """Return the forward's argument `name`. Raises ValueError if it is missing or None."""
    if inputs.get(name) is None:
        raise ValueError(
            f"{name} is missing from the forward's keyword arguments ({', '.join(inputs)}); it "
            f"says which sample each image belongs to, so pass it as the processor made it."
        )
    return inputs[name]


def compute_sample_index(shares: Shares, rows: int) -> Int[Tensor, " rows"]:
    """Return the sample that owns each of `rows` consecutive rows, sorted by sample.

    The middle of each row is looked up, so that shares may be off by less than half a row, and
    rows may be merged (four patches to one) unannounced. If all shares are 0, every row counts as
    the last sample's. `rows` is the length of the leading axis in the tower, for instance images or
    packed patches. No synchronisation with the device.
    """
    ends = shares.cumsum(0)
    middles = torch.arange(rows, device=shares.device) + 0.5
    owners = torch.searchsorted(ends * (rows / ends[-1]), middles, right=True)
    return owners.clamp(max=shares.shape[0] - 1)


def find_sample_of_images(
    tokens: Shares, sizes: Float[Tensor, " images"]
) -> Int[Tensor, " images"]:
    """Return the sample of each image, where images have different numbers of tokens.

    `tokens` are the placeholder tokens of each sample, `sizes` those of each image up to a common
    factor. No synchronisation with the device.
    """
    ends, sizes = tokens.cumsum(0), sizes.to(tokens)
    middles = (sizes.cumsum(0) - sizes / 2) * (ends[-1] / sizes.sum())
    return torch.searchsorted(ends, middles, right=True).clamp(max=tokens.shape[0] - 1)


def find_family(model: nn.Module) -> ModelFamily | None:
    """Return the family of `model.config.model_type`; None if coterie does not know it."""
    model_type: Any = getattr(getattr(model, "config", None), "model_type", None)
    return _find_families(tuple(family_package.__path__)).get(model_type)


def find_packages() -> dict[str, list[str]]:
    """Return package of the extra `families` -> the model types that cannot be loaded without."""
    found: dict[str, list[str]] = {}
    families = _find_families(tuple(family_package.__path__))
    for model_type, family in sorted(families.items()):
        for package in family.packages.get(model_type, ()):
            found.setdefault(package, []).append(model_type)
    return found


@cache
def _find_families(folders: tuple[str, ...]) -> Mapping[str, ModelFamily]:
    """Return model type -> family, of all families in the package's folders."""
    families = [kind() for kind in find_kinds(family_package, ModelFamily)]
    return {model_type: family for family in families for model_type in family.model_types}
