"""`SampleCheck`, the interface of a check that a model can take a sample."""

from abc import ABC, abstractmethod

from coterie.data.sample import TextSample
from coterie.data.validation_cache import ValidationCache


class SampleCheck(ABC):
    """A check of samples by what training uses, such as the model's chat template and processor."""

    @property
    def cache(self) -> ValidationCache | None:
        """The results of earlier runs, which are saved now and then; None for none."""
        return None

    def without_max_length(self) -> "SampleCheck":
        """Return the check of samples that are scored alone, of which `max_length` is no limit."""
        return self

    @abstractmethod
    def count_tokens(self, sample: TextSample) -> int:
        """Return the tokens of prompt and answer. Safe to call from several threads.

        Raises RowError, with the reason, if the model cannot take the sample.
        """
