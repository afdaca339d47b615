"""`ExtractRequest` and `ExtractResult`: the input and output of a format's writer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from coterie.extract.pruning import PruningOptions
from coterie.extract.source import ExtractSource


@dataclass(frozen=True, kw_only=True)
class ExtractRequest:
    """The arguments of a call of `coterie.extract`, with an open source; see there."""

    source: ExtractSource
    task: str
    adapter: str
    folder: Path
    probe: Mapping[str, Tensor] | None
    usage: Mapping[str, Any] | str | None
    pruning: PruningOptions


@dataclass(frozen=True, kw_only=True)
class ExtractResult:
    """Written files, with functions and facts to verify and report them.

    Attributes:
        load_result: loads the written model.
        measure_difference: (that model, a probe) -> the largest difference of its outputs from
            the expected ones, by the largest of these.
        weight_error: the weights' largest error.
        tolerance: the largest allowed weight error.
        report: facts for coterie_extract.json.
        probe: the batch on which outputs are compared; None for no comparison.
    """

    load_result: Callable[[], Any]
    measure_difference: Callable[[Any, Mapping[str, Tensor]], float]
    weight_error: float
    tolerance: float
    report: dict[str, Any]
    probe: Mapping[str, Tensor] | None
