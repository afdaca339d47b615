"""The file of a dense task's scores: what its metric adds up, picture by picture."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float64

from coterie.io import write


@dataclass(frozen=True, kw_only=True)
class DensePredictions:
    """A line for each picture: "source" and "statistics". What was predicted is not kept.

    Attributes:
        sources: what the pictures are called, in their order.
        statistics: of the task's metric as it was when they were scored.
    """

    sources: tuple[str, ...]
    statistics: Float64[np.ndarray, "samples statistics"]

    def save(self, path: Path) -> Path:
        """Writes the rows, one a line."""
        rows = zip(self.sources, self.statistics.tolist(), strict=True)
        lines = (
            json.dumps({"source": source, "statistics": numbers}, allow_nan=False)
            for source, numbers in rows
        )
        return write(path, "".join(f"{line}\n" for line in lines))

    @classmethod
    def read(cls, path: Path) -> "DensePredictions":
        """The rows of a file. ValueError if it is missing or damaged."""
        if not path.is_file():
            raise ValueError(f"{path} is not there: run `coterie evaluate` on its run again")
        sources, statistics = [], []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                row = json.loads(line)
                sources.append(str(row["source"]))
                statistics.append([float(each) for each in row["statistics"]])
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(
                    f"{path}:{number} is damaged ({error!r}): remove the file and evaluate again"
                ) from error
        return cls(sources=tuple(sources), statistics=stack_rows(path, statistics))


def stack_rows(
    path: Path, rows: Sequence[Sequence[float]]
) -> Float[np.ndarray, "samples statistics"]:
    """The rows as one. ValueError if there are none, or they are not equally long."""
    lengths = {len(row) for row in rows}
    if len(lengths) != 1:
        raise ValueError(
            f"{path} has rows of {sorted(lengths) or 'no'} statistics: remove it and evaluate again"
        )
    return np.array(rows, dtype=np.float64)
