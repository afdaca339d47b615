"""The family of a Llama with an encoder of points, one token a cloud."""

from collections.abc import Mapping
from typing import Any, ClassVar

from coterie.families.base import ModelFamily, Role
from coterie.families.llama import make_decoder_roles


class PointsLlama(ModelFamily):
    model_types = ("points_llama",)
    roles: ClassVar = {
        **make_decoder_roles(r"(model\.)?"),
        "points.mlp": Role(block="points_tower", linears=r"points_tower\.fc[12]"),
    }
    towers: ClassVar = {"points": r"points_tower(\..*)?"}

    def get_placeholder_ids(self, config: Any) -> Mapping[str, int]:
        return {"points": config.points_token_id}
