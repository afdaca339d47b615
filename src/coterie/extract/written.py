"""What `extract` asks of a form, and what the form says of the files it wrote."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from coterie.extract.keeping import Pruning
from coterie.extract.run import Source


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One call of `extract`: see there."""

    source: Source
    task: str
    adapter: str
    folder: Path
    probe: Mapping[str, Tensor] | None
    use: Mapping[str, Any] | str | None
    pruning: Pruning


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a form has written: how to run it, its weights' error, and more for the report.

    Attributes:
        plain: what was written, read back.
        differs: (that, a probe) -> how far its answers are from what they should be, by the
            largest of these.
        error: the weights' largest error.
        tolerance: how large that may be.
        facts: for the report.
        probe: on what the answers are compared, if on anything.
    """

    plain: Callable[[], Any]
    differs: Callable[[Any, Mapping[str, Tensor]], float]
    error: float
    tolerance: float
    facts: dict[str, Any]
    probe: Mapping[str, Tensor] | None
