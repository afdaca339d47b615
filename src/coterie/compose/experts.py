"""The experts of several runs at one linear layer, side by side with weights by modality."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float64
from torch import Tensor

from coterie.compose.merge_factors import MERGES, Factors
from coterie.compose.shares import TEXT, Shares
from coterie.experts.base import LowRankFactors
from coterie.experts.lora import Lora
from coterie.mixture import Mixture
from coterie.modalities.base import find_modalities
from coterie.routing.gates.by_modality import ByModality
from coterie.routing.routers.rectified import Rectified


@dataclass(frozen=True, kw_only=True)
class SiteExperts:
    """One run's experts at a linear layer.

    Attributes:
        mixture: `find_problem` has nothing against it.
        down, up: of all experts, as an adapter's file has them: [rank, width] and [rank, out].
    """

    mixture: Mixture
    down: Tensor
    up: Tensor

    @property
    def factors(self) -> LowRankFactors:
        """The experts as low-rank changes, with their scales; an always-on one is the last."""
        kinds: list[Any] = [self.mixture.main, *filter(None, [self.mixture.shared])]
        ranks = tuple(rank for kind in kinds for rank in kind.ranks)
        scales = tuple(scale for kind in kinds for scale in kind.scales)
        return LowRankFactors(ranks, scales, self.down, self.up)

    def get_weights(self, modality: str) -> tuple[float, ...]:
        """Return the factor of each expert's output for tokens of a modality."""
        gate = self.mixture.gate
        if gate is None:
            constant = self.mixture.constant_weights
            assert constant is not None
            return constant
        assert isinstance(gate, ByModality)
        logits = torch.tensor([gate.get_row(modality, self.mixture.num_logits)])
        return tuple(self.mixture.decide(logits).combine_weights[0].tolist())


def find_problem(mixture: Mixture) -> str | None:
    """Return what of a mixture cannot be composed exactly; None if it can be."""
    for kind in mixture.kinds:
        if type(kind) is not Lora:
            return f"{type(kind).__name__} experts"
    if mixture.gate is not None and not isinstance(mixture.gate, ByModality):
        return f"a {type(mixture.gate).__name__}"
    if mixture.tasks:
        return f"experts of the tasks {', '.join(mixture.tasks)} alone"
    return None


@dataclass(frozen=True, kw_only=True)
class ComposedExperts:
    """Experts of several runs at a linear layer, of scale 1.

    Attributes:
        weights: modality -> the factor of each expert's output, without rows equal to that of text.
        owners: the position of each expert's run; None for one that was merged out of several.
    """

    ranks: tuple[int, ...]
    weights: Shares
    owners: tuple[int | None, ...]
    down: Tensor
    up: Tensor

    def make_mixture(self, at: str | tuple[str, ...]) -> Mixture:
        """Return the mixture of these experts at some layers."""
        lora, gate = Lora(ranks=self.ranks, scale=1.0), ByModality(weights=self.weights)
        return Mixture(at=at, experts=lora, gate=gate, router=Rectified())


Runs = Sequence[SiteExperts | None]
"""The experts of each run at one layer; None for a run without some there."""


class ExpertPart(NamedTuple):
    """An expert on its way into the composed layer: `up` has its scale, both are float64."""

    owner: int | None
    down: Float64[Tensor, "rank width"]
    up: Float64[Tensor, "rank out"]


def compose_text_experts(
    runs: Runs, shares: Shares, *, text: str, site: str
) -> ComposedExperts | None:
    """Return the experts of the runs at a layer of the language model; None if none has a weight.

    With text="sum" the tokens of text go through the runs' own experts, with their shares as
    weights: the sum of their changes. Else through one more expert, merged out of those.

    Raises ValueError, naming the layer, for merges of text whose ranks differ.
    """
    names = [TEXT, *(each.name for each in find_modalities() if each.name != TEXT)]
    table = {name: list_weights(runs, shares.get(name, shares[TEXT]), name) for name in names}
    parts = list_parts(runs)
    if text != "sum" and sum(run is not None for run in runs) > 1:
        down, up = merge_text(runs, shares[TEXT], text=text, site=site)
        parts.insert(0, ExpertPart(None, down, up.t()))
        for name in reversed(names):  # text last, as the others are compared with it
            is_text = name not in shares and table[name] == table[TEXT]
            own = [0.0] * len(table[name]) if is_text or name == TEXT else table[name]
            table[name] = [float(is_text or name == TEXT), *own]
    return join(parts, table)


def compose_tower_experts(
    runs: Runs, shares: Sequence[float], modality: str
) -> ComposedExperts | None:
    """Return the experts of the runs at a layer whose rows are all of one modality."""
    return join(list_parts(runs), {TEXT: list_weights(runs, shares, modality)})


def list_weights(runs: Runs, shares: Sequence[float], modality: str) -> list[float]:
    """List the factors of all experts' outputs: the run's share, times its own weight."""
    return [
        share * weight
        for run, share in zip(runs, shares, strict=True)
        if run is not None
        for weight in run.get_weights(modality)
    ]


def list_parts(runs: Runs) -> list[ExpertPart]:
    """List all experts of the runs, with their scales in `up`."""
    parts = []
    for owner, run in enumerate(runs):
        if run is not None:
            ranks, scales, down, up = run.factors
            pairs = zip(scales, down.double().split(ranks), up.double().split(ranks), strict=True)
            parts += [ExpertPart(owner, low, high * scale) for scale, low, high in pairs]
    return parts


def join(
    parts: Sequence[ExpertPart], table: Mapping[str, Sequence[float]]
) -> ComposedExperts | None:
    """Put the experts side by side that have a weight for a modality; None if there is none."""
    kept = [place for place in range(len(parts)) if any(row[place] for row in table.values())]
    if not kept:
        return None
    owners, downs, ups = zip(*(parts[place] for place in kept), strict=True)
    rows = {name: tuple(row[place] for place in kept) for name, row in table.items()}
    return ComposedExperts(
        ranks=tuple(map(len, downs)),
        weights={name: row for name, row in rows.items() if name == TEXT or row != rows[TEXT]},
        owners=owners,
        down=torch.cat(downs).float(),
        up=torch.cat(ups).float(),
    )


def merge_text(runs: Runs, weights: Sequence[float], *, text: str, site: str) -> Factors:
    """Merge what the runs add to tokens of text into one LoRA, by one of `MERGES`.

    Raises ValueError if the runs' ranks differ there.
    """
    pairs = [
        (Factors(*run.factors.concatenate(run.get_weights(TEXT))), weight)
        for run, weight in zip(runs, weights, strict=True)
        if run is not None
    ]
    ranks = [len(each.down) for each, _ in pairs]
    if len(set(ranks)) > 1:
        raise ValueError(
            f"text={text!r} merges factors of one rank, and the runs have ranks {ranks} at {site}: "
            "take text='sum', which is exact for any ranks"
        )
    return MERGES[text]([each for each, _ in pairs], [weight for _, weight in pairs])
