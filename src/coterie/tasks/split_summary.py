"""`SplitSummary`: what is known of a task's rows before it is trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from coterie.data.dataset import BadRow


@dataclass(frozen=True, kw_only=True)
class SplitSummary:
    """A split of a task, or of tasks that share their samples.

    Attributes:
        tasks: their names.
        split: "train", "validation", "test" or another.
        num_samples: good samples; a row of messages may have several.
        bad_rows: rows that cannot be trained on.
        token_counts: tokens of each sample; empty where samples have none.
        media_counts: modality, task with a label or sensor with a map -> number of samples.
        scores: scores that need no model -> "score of metric", such as "chance".
        notices: what is no error, but may not be meant.
        problem: why there are no samples at all; empty if there are some.
    """

    tasks: tuple[str, ...]
    split: str
    num_samples: int = 0
    bad_rows: tuple[BadRow, ...] = ()
    token_counts: Sequence[int] = ()
    media_counts: Mapping[str, int] = field(default_factory=dict)
    scores: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    problem: str = ""

    @property
    def is_good(self) -> bool:
        """Whether it can be trained on: it has samples, and no bad row."""
        return not self.bad_rows and not self.problem

    def describe_lengths(self, max_length: int | None) -> str:
        """Describe the distribution of the samples' lengths; empty without tokens."""
        lengths = sorted(self.token_counts)
        if not lengths:
            return ""
        places = {"least": 0.0, "median": 0.5, "95 %": 0.95, "most": 1.0}
        # The nearest rank: at least that share of the samples is no longer.
        ranks = {name: max(0, -(-int(share * 100) * len(lengths) // 100) - 1)
                 for name, share in places.items()}  # fmt: skip
        text = ", ".join(f"{name} {lengths[rank]}" for name, rank in ranks.items())
        if max_length is None:
            return text
        above = sum(length > max_length for length in lengths)
        return f"{text}; {100 * above / len(lengths):.1f} % above {max_length}"
