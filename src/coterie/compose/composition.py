"""`CompositionPlan`: what runs have at each layer; `Composition`: one adapter out of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from torch import Tensor

from coterie import serialization
from coterie.compose.base_weights import ChosenWeight, choose_base_weights
from coterie.compose.experts import (
    ComposedExperts,
    SiteExperts,
    compose_text_experts,
    compose_tower_experts,
)
from coterie.compose.shares import TEXT, compute_shares, compute_tower_shares
from coterie.compose.source import EXPERTS, Source
from coterie.io import save_tensors
from coterie.mixture import Mixture
from coterie.modalities.base import find_tower_modalities
from coterie.models.host import Host
from coterie.tuner.config import WEIGHTS, CoterieConfig
from coterie.tuner.injection import plan_injection

SAVED_PREFIX = "base_model.model."
"""Of the names in an adapter's file."""


@dataclass(frozen=True, kw_only=True)
class Composition:
    """The adapter of several runs, with some weights.

    Attributes:
        mixtures: with the modules that they are at.
        experts: by module.
        base_weights: trained weights of the base model, by name.
    """

    mixtures: tuple[Mixture, ...]
    experts: Mapping[str, ComposedExperts] = field(repr=False)
    base_weights: Mapping[str, ChosenWeight] = field(repr=False)

    def save(self, folder: Path, *, like: CoterieConfig, tasks: Sequence[str]) -> None:
        """Write the adapter as PEFT does; `like` is the configuration of one of the runs'."""
        config = replace(
            like, mixtures=[serialization.dump(each) for each in self.mixtures],
            tasks=list(tasks), target_modules=list(self.experts),
        )  # fmt: skip
        config.save_pretrained(str(folder))
        save_tensors(self.list_tensors(), folder / WEIGHTS, metadata={"format": "pt"})

    def list_tensors(self) -> dict[str, Tensor]:
        """Return the tensors by their names in the adapter's file."""
        found: dict[str, Tensor] = {}
        for site, experts in self.experts.items():
            found[f"{SAVED_PREFIX}{site}{EXPERTS}down"] = experts.down.contiguous()
            found[f"{SAVED_PREFIX}{site}{EXPERTS}up"] = experts.up.contiguous()
        for name, chosen in self.base_weights.items():
            module, _, own = name.rpartition(".")
            inner = ".base_layer" if module in self.experts else ""
            found[f"{SAVED_PREFIX}{module}{inner}.{own}"] = chosen.values.contiguous()
        return found


@dataclass(frozen=True, kw_only=True)
class CompositionPlan:
    """The runs to compose, and how; the weights are still to be given.

    Attributes:
        base: the base model of the composed run.
        host: its modules.
        positions: of each run, module -> position of its mixture.
        text, media: as in `coterie.compose`.
    """

    sources: tuple[Source, ...]
    base: str
    host: Host
    positions: tuple[Mapping[str, int], ...]
    base_weights: Mapping[str, ChosenWeight]
    text: str
    media: str

    @classmethod
    def make(
        cls,
        sources: Sequence[Source],
        *,
        base: str,
        text: str,
        media: str,
        take: Mapping[str, str | Path],
    ) -> "CompositionPlan":
        """Find the modules of the runs' mixtures in the base model, and choose trained weights.

        Raises ValueError as `choose_base_weights`.
        """
        host = Host.load(base)
        return cls(
            sources=tuple(sources),
            base=base,
            host=host,
            positions=tuple(
                plan_injection(each.mixtures, each.adapter.tasks, host.model).single_positions
                for each in sources
            ),
            base_weights=choose_base_weights(sources, host, take),
            text=text,
            media=media,
        )

    @property
    def adapter(self) -> CoterieConfig:
        """A configuration of the runs' adapters, on the base model of the composed run."""
        return replace(self.sources[0].adapter, base_model_name_or_path=self.base)

    @property
    def owned(self) -> list[tuple[str, ...]]:
        """The modalities of each run."""
        return [each.modalities for each in self.sources]

    @cached_property
    def sites(self) -> list[str]:
        """The modules that any run has experts at, in the base model's order."""
        found = {name for each in self.positions for name in each}
        return [name for name in self.host.modules if name in found]

    def compose(self, weights: Sequence[float]) -> Composition:
        """Return the composition with these weights of the runs.

        Raises ValueError for merges of text whose ranks differ.
        """
        found = {site: self._compose_site(site, weights) for site in self.sites}
        experts = {site: each for site, each in found.items() if each is not None}
        return Composition(
            mixtures=self._make_mixtures(experts), experts=experts, base_weights=self.base_weights
        )

    def get_experts(self, site: str) -> list[SiteExperts | None]:
        """Return the experts of each run at a module."""
        return [
            source.get_experts(site, source.mixtures[places[site]]) if site in places else None
            for source, places in zip(self.sources, self.positions, strict=True)
        ]

    def _compose_site(self, site: str, weights: Sequence[float]) -> ComposedExperts | None:
        runs, tower = self.get_experts(site), self.host.get_tower(site)
        if tower == TEXT:
            shares = compute_shares(weights, self.owned, media=self.media)
            return compose_text_experts(runs, shares, text=self.text, site=site)
        modality = find_tower_modalities().get(tower, TEXT)
        return compose_tower_experts(
            runs, compute_tower_shares(weights, self.owned, tower), modality
        )

    def _make_mixtures(self, experts: Mapping[str, ComposedExperts]) -> tuple[Mixture, ...]:
        """Return a mixture for all modules whose experts are alike: of the runs' same mixtures."""
        groups: dict[object, list[str]] = {}
        for site, each in experts.items():
            positions = tuple(places.get(site) for places in self.positions)
            key = (positions, each.ranks, tuple(each.weights.items()))
            groups.setdefault(key, []).append(site)
        return tuple(
            experts[names[0]].make_mixture(self._find_pattern(names)) for names in groups.values()
        )

    def _find_pattern(self, names: Sequence[str]) -> str | tuple[str, ...]:
        """Return the short form of modules, if a run's mixture is at exactly these."""
        for source, places in zip(self.sources, self.positions, strict=True):
            for position, mixture in enumerate(source.mixtures):
                if [name for name in self.sites if places.get(name) == position] == [*names]:
                    return mixture.at
        return tuple(names)
