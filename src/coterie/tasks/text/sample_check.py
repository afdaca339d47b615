"""`TokenCheck`: checks that a model's chat template and processor take a sample, and its length."""

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any

from coterie.data.chat_template import get_tokenizer
from coterie.data.dataset import RowError
from coterie.data.sample import MediaFile, TextSample
from coterie.data.sample_check import SampleCheck
from coterie.data.validation_cache import ValidationCache, make_file_stamp, make_key
from coterie.modalities.base import get_media_modality
from coterie.models.image_limit import get_max_pixels
from coterie.tasks.text.batches import TextCollator, describe_refusal

CACHE_FILE = "checked_samples.txt"
MAX_COPIES = 8
"""Processors that are used at once: each copy has a vocabulary of its own in memory."""
CHECKS_VERSION = 1
"""Incremented when checks become stricter, so that everything is checked again."""


class TokenCheck(SampleCheck):
    """Makes the input tensors of each sample once, as training does."""

    def __init__(
        self, processor: Any, *, max_length: int | None = None, context_length: int | None = None
    ) -> None:
        """Check samples for a processor.

        Args:
            processor: as in `LoadedModel`.
            max_length: tokens of a sample at most; None for no limit.
            context_length: tokens that the model has positions for; None for no bound.
        """
        self.max_length, self.context_length = max_length, context_length
        self.special_tokens = find_special_tokens(processor)
        self.collator = TextCollator(processor, ())
        self.idle = [copy.copy(self.collator)]
        self.lending = BoundedSemaphore(MAX_COPIES)
        self.key = compute_processor_digest(processor)
        self.counts = ValidationCache(CACHE_FILE)

    @property
    def cache(self) -> ValidationCache:
        return self.counts

    def without_max_length(self) -> "TokenCheck":
        found = copy.copy(self)
        found.max_length = None
        return found

    def count_tokens(self, sample: TextSample) -> int:
        check_special_tokens(sample, self.special_tokens)
        key = make_key(f"{self.key}|{make_sample_key(sample)}")
        count = self.counts.count(key, lambda: self._encode(sample))
        if self.max_length is not None and count > self.max_length:
            raise RowError(
                "row",
                f"has {count} tokens, and max_length is {self.max_length}: nothing is cut, so "
                "shorten it, or give a larger max_length",
            )
        if self.context_length is not None and count > self.context_length:
            raise RowError(
                "row",
                f"has {count} tokens, and the model has positions for {self.context_length} "
                "(max_position_embeddings of its config.json): shorten it",
            )
        return count

    def _encode(self, sample: TextSample) -> int:
        """Return the tokens of a sample. Raises RowError if no input can be made of it."""
        with self._borrow_collator() as collator:
            try:
                encoded = collator.encode([sample])
                answer = collator.tokenize_answer(sample)
            except Exception as error:  # templates and processors raise many types
                raise RowError("row", describe_refusal(sample, error)) from None
        prompt = int(encoded["attention_mask"].sum())
        if not prompt:
            raise RowError("row", "the model's chat template makes no token of the prompt")
        check_media_inputs(sample, encoded)
        return prompt + len(answer)

    @contextmanager
    def _borrow_collator(self) -> Iterator[TextCollator]:
        """Lend a collator that no other thread uses: tokenizers are not safe to share."""
        with self.lending:
            try:
                collator = self.idle.pop()
            except IndexError:
                collator = copy.deepcopy(self.collator)
            try:
                yield collator
            finally:
                self.idle.append(collator)


def check_media_inputs(sample: TextSample, encoded: Mapping[str, Any]) -> None:
    """Raise RowError if what a processor made of a sample has no input of one of its media."""
    for kind in dict.fromkeys(media.kind for media in sample.get_media()):
        if not encoded.keys() & set(get_media_modality(kind).inputs):
            raise RowError(kind, "the model does not read it: its processor leaves it out")


def find_special_tokens(processor: Any) -> frozenset[str]:
    """Return the special tokens that must not be typed in a text: all but the unknown token."""
    tokenizer = get_tokenizer(processor)
    added = tokenizer.added_tokens_decoder.values()
    special = {each.content for each in added if each.special} | set(tokenizer.all_special_tokens)
    return frozenset(special - {tokenizer.unk_token})


def check_special_tokens(sample: TextSample, special: frozenset[str]) -> None:
    """Raise RowError if a text of a sample has a special token of the model."""
    starts = {token[0] for token in special}  # few, where Gemma has thousands of tokens
    texts = [part for turn in sample.messages for part in turn.parts if isinstance(part, str)]
    for text in (*texts, *sample.answers[:1]):
        if found := [token for token in special if token in text] if starts & set(text) else []:
            longest = max(found, key=len)
            raise RowError(
                "row",
                f"has {longest!r} in its text, which the model reads as a special token, not as "
                f"these letters: take it out, or write {f'{longest[0]} {longest[1:]}'!r}",
            )


def compute_processor_digest(processor: Any) -> str:
    """Compute a digest of all that the tokens of a sample depend on."""
    tokenizer = get_tokenizer(processor)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    parts = [
        type(processor).__name__,
        # Slow tokenizers have no text form; their vocabulary stands for them.
        backend.to_str() if backend else json.dumps(sorted(tokenizer.get_vocab().items())),
        str(getattr(processor, "chat_template", None) or tokenizer.chat_template),
        str(tokenizer.init_kwargs),
        "" if processor is tokenizer else str(processor.to_dict()),
        str(get_max_pixels(processor)),
        str(CHECKS_VERSION),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def make_sample_key(sample: TextSample) -> str:
    """Make a key of a sample from its texts and the paths, sizes and times of its files."""
    turns = [[turn.role, [_make_part_key(part) for part in turn.parts]] for turn in sample.messages]
    return json.dumps([turns, sample.answers[:1]])


def _make_part_key(part: str | MediaFile) -> Any:
    if isinstance(part, str):
        return part
    return {part.kind: make_file_stamp(part.path) if part.path else part.compute_digest()}
