"""What `extract` asks of a form, and what the form says of the files it wrote."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from coterie.extract.pruning import PruningOptions
from coterie.extract.source import ExtractSource


@dataclass(frozen=True, kw_only=True)
class ExtractRequest:
    """One call of `extract`: see there."""

    source: ExtractSource
    task: str
    adapter: str
    folder: Path
    probe: Mapping[str, Tensor] | None
    usage: Mapping[str, Any] | str | None
    pruning: PruningOptions


@dataclass(frozen=True, kw_only=True)
class ExtractResult:
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

    load_result: Callable[[], Any]
    measure_difference: Callable[[Any, Mapping[str, Tensor]], float]
    weight_error: float
    tolerance: float
    report: dict[str, Any]
    probe: Mapping[str, Tensor] | None
