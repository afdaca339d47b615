"""Published systems and their baselines as recipes: one function a file, named as the file is."""

from typing import TYPE_CHECKING

from coterie.public_names import find_functions

if TYPE_CHECKING:  # for editors and type checkers, which do not walk the folder
    from coterie.recipes.awaker import awaker as awaker
    from coterie.recipes.damc import damc as damc
    from coterie.recipes.dense import dense as dense
    from coterie.recipes.dual_lora import dual_lora as dual_lora
    from coterie.recipes.hydra_lora import hydra_lora as hydra_lora
    from coterie.recipes.m3vit import m3vit as m3vit
    from coterie.recipes.mod_squad import mod_squad as mod_squad
    from coterie.recipes.moelora import moelora as moelora
    from coterie.recipes.pathweave import pathweave as pathweave
    from coterie.recipes.plain_moe import plain_moe as plain_moe
    from coterie.recipes.rode import rode as rode
    from coterie.recipes.shared_lora import shared_lora as shared_lora
    from coterie.recipes.single_task import single_task as single_task
    from coterie.recipes.soft_lora import soft_lora as soft_lora
    from coterie.recipes.uni_moe import uni_moe as uni_moe
    from coterie.recipes.uni_moe_2 import uni_moe_2 as uni_moe_2
    from coterie.recipes.uni_moe_2_5 import uni_moe_2_5 as uni_moe_2_5

_FUNCTIONS = find_functions(__name__, __path__)
globals().update(_FUNCTIONS)
__all__ = [*_FUNCTIONS]  # pyright: ignore[reportUnsupportedDunderAll] # found, so not literal
