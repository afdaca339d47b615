"""`Source`: a finished run that is composed with others, and what it trained."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from coterie.compose.experts import SiteExperts
from coterie.mixture import Mixture
from coterie.train.inputs import BASE_DIGESTS, compute_base_digests, read_input_digests
from coterie.train.run import Run
from coterie.tuner.config import WEIGHTS, CoterieConfig
from coterie.tuner.layer import get_base_parameter_name

EXPERTS = ".coterie_experts."


@dataclass(frozen=True, kw_only=True)
class Source:
    """A finished run.

    Attributes:
        modalities: of its training rows' media; empty for text alone.
        base_digests: of the base model that it was trained on, by what was hashed.
        adapter: the configuration of its adapter.
        experts: the experts' weights by name, without the names of the adapter's wrappers.
        base_weights: the weights of the base model that it trained, by their names there.
    """

    run: Run
    modalities: tuple[str, ...]
    base_digests: Mapping[str, str]
    adapter: CoterieConfig
    experts: Mapping[str, Tensor] = field(repr=False)
    base_weights: Mapping[str, Tensor] = field(repr=False)

    @classmethod
    def open(cls, run: Run | str | Path) -> "Source":
        """Open a run and read its weights.

        Raises ValueError for a run that is not finished or damaged, or whose rows are gone.
        """
        run = run if isinstance(run, Run) else Run.read(run)
        run.check_adapter()
        folder = run.directory.adapter_folder
        tensors = {
            get_base_parameter_name(name): values
            for name, values in load_file(folder / WEIGHTS).items()
        }
        recorded = read_input_digests(run.directory)
        config: Any = CoterieConfig.from_pretrained(folder)
        digests = {name: recorded[name] for name in BASE_DIGESTS if name in recorded}
        return cls(
            run=run,
            modalities=find_modalities(run),
            base_digests=digests or compute_base_digests(run.config),
            adapter=config,
            experts={name: each for name, each in tensors.items() if ".coterie_" in name},
            base_weights={name: each for name, each in tensors.items() if ".coterie_" not in name},
        )

    @property
    def name(self) -> str:
        """The run's folder."""
        return str(self.run.folder)

    @property
    def mixtures(self) -> tuple[Mixture, ...]:
        """The mixtures of its adapter."""
        return self.adapter.parse_mixtures()

    def get_experts(self, site: str, mixture: Mixture) -> SiteExperts:
        """Return its experts at a module that one of its mixtures is at."""
        down, up = (self.experts.get(f"{site}{EXPERTS}{half}") for half in ("down", "up"))
        if down is None or up is None:
            raise ValueError(
                f"{self.name} has no experts at {site}, where its mixture (at={mixture.at!r}) has "
                "some in this base model: was the base model replaced since?"
            )
        return SiteExperts(mixture=mixture, down=down, up=up)


def find_modalities(run: Run) -> tuple[str, ...]:
    """Return the modalities of a run's training rows, beside text, in alphabetical order."""
    run.check_rows("train")
    found = run.config.tasks.find_modalities().values()
    return tuple(sorted({name for each in found for name in each}))
