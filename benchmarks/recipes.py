"""Benchmark of a training step with RoDE, Dual-LoRA and Awaker2.5-VL, each beside PEFT LoRA.

The LoRA is at the same modules, of the rank that the mixture runs: the sum of RoDE's ranks; the
rank of Dual-LoRA's two spaces; and, where Awaker chooses one of its experts, that of the chosen
and the always-on one. The model is that of `benchmarks.model`. Awaker runs
also with each of the two kernels for one decision a sample: all experts, or the chosen ones alone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from benchmarks.benchmark import ROUNDS, Benchmark, Row, Scale, Target, compare, fitting, worst
from benchmarks.model import FROZEN, PEFT, frozen_candidate, model_candidate
from benchmarks.model import Case as Model
from benchmarks.operator_profile import profile_step
from benchmarks.timing import Candidate
from coterie import recipes
from coterie.graft import graft
from coterie.mixture import Mixture
from coterie.recipe import Recipe

COTERIE = "coterie"
BY_KERNEL = {"fused": "coterie, all experts", "per_sample": "coterie, chosen experts"}
PLAIN = ("q_proj", "k_proj", "v_proj")
GATED = ("o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A recipe, and PEFT's rank by module."""

    recipe: Recipe
    ranks: dict[str, int]
    model: Model

    @property
    def dtype(self) -> str:
        return self.model.dtype

    @property
    def name(self) -> str:
        shape = f"{self.model.layers} layers d={self.model.width} 2x{self.model.tokens}"
        return f"{self.recipe.name}, {self.dtype} {shape}"

    def plain_lora(self, device: torch.device) -> nn.Module:
        config = LoraConfig(
            target_modules=list(self.ranks), rank_pattern=self.ranks, alpha_pattern=self.ranks
        )
        model: Any = self.model.model(device)
        return get_peft_model(model, config, autocast_adapter_dtype=False)

    def candidates(self, device: torch.device) -> dict[str, Candidate]:
        ids = torch.randint(8192, (2, self.model.tokens), device=device)
        labels = ids.clone()
        labels[:, : self.model.tokens // 2] = -100  # gates by prompt need one
        forms = {COTERIE: self.recipe.mixtures}
        if any(each.gate is not None and each.gate.decides_per_sample for each in forms[COTERIE]):
            forms |= {
                name: tuple(with_kernel(each, kernel) for each in self.recipe.mixtures)
                for kernel, name in BY_KERNEL.items()
            }
        return {
            FROZEN: frozen_candidate(self.model.model(device), ids, labels),
            PEFT: model_candidate(self.plain_lora(device).train(), ids, labels),
        } | {
            name: model_candidate(graft(self.model.model(device), each).train(), ids, labels)
            for name, each in forms.items()
        }


def with_kernel(mixture: Mixture, kernel: str) -> Mixture:
    """Return a mixture that runs a kernel of `Lora`; unchanged if it has no gate."""
    if mixture.gate is None:
        return mixture
    experts: Any = mixture.main
    shared: Any = mixture.shared
    return replace(
        mixture,
        experts=replace(experts, kernel=kernel),
        shared=None if shared is None else replace(shared, kernel=kernel),
    )


def cases(model: Model, rank: int = 32) -> tuple[Case, ...]:
    """Return the three recipes on a model, without dropout, which all draw alike."""
    two = ("q_proj", "v_proj")
    ranks = (rank // 8, rank // 4, rank // 2, rank)
    awaker = recipes.awaker(rank=rank, alpha=2.0 * rank, dropout=0.0)
    return (
        Case(
            recipe=recipes.rode(ranks=ranks, dropout=0.0),
            ranks=dict.fromkeys(two, sum(ranks)),
            model=model,
        ),
        Case(
            recipe=recipes.dual_lora(rank=rank, dropout=0.0),
            ranks=dict.fromkeys(two, rank),
            model=model,
        ),
        Case(
            recipe=awaker,
            ranks=dict.fromkeys(PLAIN, rank) | dict.fromkeys(GATED, 2 * rank),
            model=model,
        ),
    )


TINY = Model(dtype="fp32", layers=1, width=192, hidden=64, tokens=16)
CASES: dict[Scale, tuple[Case, ...]] = {
    "tiny": cases(TINY, rank=8),
    "quick": cases(Model(dtype="fp32", layers=4)),
    "full": (
        *cases(Model(dtype="fp32", layers=10)),
        *cases(Model(dtype="bf16", layers=10)),
    ),
    "gpu": cases(Model(dtype="bf16", layers=6, width=3072, hidden=8192, tokens=4096)),
}


class Recipes(Benchmark):
    """Recipes at the modules of their papers."""

    name = "recipes"

    def rows(self, scale: Scale, device: torch.device) -> Iterator[Row]:
        for case in fitting(CASES, scale, device):
            candidates = case.candidates(device)
            timed = compare(
                case.name, case.dtype, candidates, bases=(PEFT,), device=device,
                rounds=ROUNDS[scale],
            )  # fmt: skip
            for row in timed:
                profile = profile_step(candidates[row.form].step, device)
                yield replace(row, facts=profile.get_facts())

    def targets(self, rows: Iterable[Row]) -> list[Target]:
        rows = list(rows)
        saved = {row.case: row.saved_mib for row in rows if row.form == PEFT}
        targets = []
        for name in dict.fromkeys(row.case.partition(",")[0] for row in rows):
            mine = [row for row in rows if row.form == COTERIE and row.case.startswith(f"{name},")]
            ratios = [row.saved_mib / saved[row.case] for row in mine]
            what = "of PEFT LoRA of the rank that it runs (worst)"
            targets += [
                Target(what=f"{name}: step {what}", limit=1.06, measured=worst(mine, PEFT)),
                Target(what=f"{name}: saved bytes {what}", limit=1.05, measured=max(ratios)),
            ]
        return targets
