"""Samples that two splits share: equal messages, answers and media, whatever their files."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from coterie.data.sample import MediaFile, TextSample
from coterie.tasks.evaluated_tasks import SharedSample
from coterie.tasks.text.task import TextTask


def find_shared_samples(
    samples: Mapping[str, Sequence[TextSample]], tasks: Sequence[TextTask], split: str = "train"
) -> dict[str, list[SharedSample]]:
    """Return task -> its samples that one of the `tasks` has in a split, too.

    Media files are compared by their sizes first, and read where texts and sizes are equal. Rows
    of the split that cannot be read are not compared.
    """
    by_key: dict[str, list[tuple[str, int, TextSample]]] = {}
    for name, listed in samples.items():
        for place, sample in enumerate(listed):
            by_key.setdefault(make_key(sample), []).append((name, place, sample))
    shared: dict[tuple[str, int], SharedSample] = {}
    for row in iterate_samples(tasks, split):
        for name, place, sample in by_key.get(make_key(row), ()):
            if (name, place) not in shared and has_equal_media(sample, row):
                of_task = "" if row.task == name else f" of task {row.task!r}"
                shared[name, place] = SharedSample(sample.source, f"{row.source}{of_task}")
    return {
        name: [shared[name, place] for place in range(len(listed)) if (name, place) in shared]
        for name, listed in samples.items()
    }


def iterate_samples(tasks: Sequence[TextTask], split: str) -> Iterable[TextSample]:
    """Iterate over the samples of a split of the tasks that have it, as far as they can be read."""
    for task in tasks:
        with suppress(ValueError, OSError):  # moved since, or not there
            yield from task.read_samples(split, skip_bad_rows=True, check_media=False)


def make_key(sample: TextSample) -> str:
    """Return a digest of the texts and answers, and of the kinds and sizes of media."""
    turns = [
        [turn.role, [part if isinstance(part, str) else [part.kind, measure(part)]
                     for part in turn.parts]]
        for turn in sample.messages
    ]  # fmt: skip
    text = json.dumps([turns, list(sample.answers)])
    return hashlib.sha256(text.encode()).hexdigest()


def measure(media: MediaFile) -> int:
    """Return the size of a media item in bytes; -1 for a file that is not there."""
    if media.path is None:
        return len(media.content or b"")
    try:
        return media.path.stat().st_size
    except OSError:
        return -1


def has_equal_media(one: TextSample, other: TextSample) -> bool:
    """Whether two samples of equal texts have the same media, by path or by content."""
    pairs = zip(one.get_media(), other.get_media(), strict=True)
    return all(
        (mine.path is not None and mine.path == its.path)
        or mine.compute_digest() == its.compute_digest()
        for mine, its in pairs
    )
