"""Published systems and their baselines as recipes: one function per file."""

from coterie.recipes.awaker import awaker
from coterie.recipes.damc import damc
from coterie.recipes.dense import dense
from coterie.recipes.dual_lora import dual_lora
from coterie.recipes.hydra_lora import hydra_lora
from coterie.recipes.m3vit import m3vit
from coterie.recipes.mod_squad import mod_squad
from coterie.recipes.moelora import moelora
from coterie.recipes.pathweave import pathweave
from coterie.recipes.plain_moe import plain_moe
from coterie.recipes.rode import rode
from coterie.recipes.shared_lora import shared_lora
from coterie.recipes.single_task import single_task
from coterie.recipes.soft_lora import soft_lora
from coterie.recipes.uni_moe import uni_moe
from coterie.recipes.uni_moe_2 import uni_moe_2
from coterie.recipes.uni_moe_2_5 import uni_moe_2_5

__all__ = [
    "awaker", "damc", "dense", "dual_lora", "hydra_lora", "m3vit", "mod_squad", "moelora",
    "pathweave", "plain_moe", "rode", "shared_lora", "single_task", "soft_lora", "uni_moe",
    "uni_moe_2", "uni_moe_2_5",
]  # fmt: skip
