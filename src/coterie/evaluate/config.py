"""`EvaluationConfig`: the settings of an evaluation."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """The arguments of `coterie.evaluate`, checked; see there."""

    split: str = "test"
    batch_size: int = 16
    limit: int | None = None
    blind: bool = False
    untrained: bool = False
    skip_bad_rows: bool = False
    device: str | torch.device | None = None

    def __post_init__(self) -> None:
        for name, value in (("batch_size", self.batch_size), ("limit", self.limit)):
            if value is not None and value < 1:
                raise ValueError(f"{name}={value}: give at least 1")

    @property
    def control(self) -> str:
        """The control: "untrained", "blind", "untrained-blind", or "" for none."""
        kinds = {"untrained": self.untrained, "blind": self.blind}
        return "-".join(kind for kind, wanted in kinds.items() if wanted)
