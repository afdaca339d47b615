"""Repeated runs of code: places of two files, or of one, that share six or more lines.

The rule:

1. A file is its lines of code in order. Blank lines, comments, docstrings, import statements and
   lines of nothing but punctuation are skipped; white space within a line does not count.
2. Two lines are the same if their tokens are; they have the same shape if they are alike once every
   name (keywords apart), string and number is replaced by one placeholder of its sort.
3. A run is a pair of places whose next `MIN_LINES` or more lines have the same shape. Only maximal
   runs count, and the two places of a file do not overlap.
4. A run counts if `MIN_LINES` of its lines in a row are the same, or if it has at least
   `MIN_TOKENS` tokens: six short lines of one shape, such as six fields of a dataclass, are no
   repetition.
5. Runs are counted once a pair of files: that two files share twelve runs is one pair. A window
   that stands in more than `MAX_PLACES` places is paired with the next such place only, so that n
   copies are n - 1 pairs instead of n (n - 1) / 2.
"""

import keyword
import tokenize
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from structure.source import TRIVIA, SourceFile

MIN_LINES = 6
MIN_TOKENS = 32
MAX_PLACES = 8

PLACEHOLDERS = {tokenize.NAME: "name", tokenize.NUMBER: "0", tokenize.STRING: "''"}
Place = tuple[int, int]
"""(index of a file, index of a line of code in it)."""


@dataclass(frozen=True)
class CodeLine:
    """A line of code: its number, its tokens, and their shape."""

    number: int
    tokens: tuple[str, ...]
    shape: tuple[str, ...]


@dataclass(frozen=True)
class RepeatedPair:
    """Two files (or one, twice) that share runs, with the longest of these.

    Attributes:
        one, other: first and last line of the longest run, as "path:first-last".
        num_lines: lines of code of the longest run.
        num_runs: how many runs the two share.
    """

    one: str
    other: str
    num_lines: int
    num_runs: int

    def __str__(self) -> str:
        more = f" (+{self.num_runs - 1} more runs)" if self.num_runs > 1 else ""
        return f"{self.one} ~ {self.other}: {self.num_lines} lines{more}"


def find_repeated_pairs(files: Sequence[SourceFile]) -> tuple[RepeatedPair, ...]:
    """The pairs of files that share runs, the longest run first."""
    lines = [read_code_lines(file) for file in files]
    runs: dict[tuple[int, int], list[tuple[int, Place, Place]]] = defaultdict(list)
    for one, other, length in _maximal_runs(lines):
        if _counts(_window(lines, one, length), _window(lines, other, length)):
            runs[one[0], other[0]].append((length, one, other))
    pairs = []
    for shared in runs.values():
        length, one, other = max(shared, key=lambda run: (run[0], -run[1][1], -run[2][1]))
        pairs.append(
            RepeatedPair(
                one=_spell(files, lines, one, length),
                other=_spell(files, lines, other, length),
                num_lines=length,
                num_runs=len(shared),
            )
        )
    return tuple(sorted(pairs, key=lambda pair: (-pair.num_lines, pair.one, pair.other)))


def read_code_lines(file: SourceFile) -> tuple[CodeLine, ...]:
    """The lines of a file that rule 1 leaves."""
    skipped = file.docstring_lines | file.import_lines
    tokens: dict[int, list[str]] = defaultdict(list)
    shapes: dict[int, list[str]] = defaultdict(list)
    for token in file.tokens:
        number = token.start[0]
        if token.type in TRIVIA or number in skipped:
            continue
        is_keyword = token.type == tokenize.NAME and keyword.iskeyword(token.string)
        tokens[number].append(token.string)
        shapes[number].append(
            token.string if is_keyword else PLACEHOLDERS.get(token.type, token.string)
        )
    return tuple(
        CodeLine(number, tuple(tokens[number]), tuple(shapes[number]))
        for number in sorted(tokens)
        if any(letter.isalnum() for token in tokens[number] for letter in token)
    )


def _maximal_runs(lines: Sequence[Sequence[CodeLine]]) -> Iterator[tuple[Place, Place, int]]:
    windows = _paired_windows(lines)
    for one, other in sorted(windows):
        if (_after(one, -1), _after(other, -1)) in windows:
            continue
        length = MIN_LINES
        while (
            _after(one, length - MIN_LINES + 1),
            _after(other, length - MIN_LINES + 1),
        ) in windows:
            length += 1
        yield one, other, length


def _paired_windows(lines: Sequence[Sequence[CodeLine]]) -> set[tuple[Place, Place]]:
    """Pairs of places whose next `MIN_LINES` lines have the same shape, the earlier place first."""
    places: dict[tuple[tuple[str, ...], ...], list[Place]] = defaultdict(list)
    for index, code in enumerate(lines):
        for start in range(len(code) - MIN_LINES + 1):
            shape = tuple(line.shape for line in code[start : start + MIN_LINES])
            places[shape].append((index, start))
    return {
        (one, other)
        for same in places.values()
        for i, one in enumerate(same)
        for other in (same[i + 1 :] if len(same) <= MAX_PLACES else same[i + 1 : i + 2])
        if one[0] != other[0] or other[1] - one[1] >= MIN_LINES
    }


def _after(place: Place, num_lines: int) -> Place:
    return place[0], place[1] + num_lines


def _window(lines: Sequence[Sequence[CodeLine]], place: Place, length: int) -> Sequence[CodeLine]:
    return lines[place[0]][place[1] : place[1] + length]


def _counts(one: Sequence[CodeLine], other: Sequence[CodeLine]) -> bool:
    """Rule 4."""
    if sum(len(line.shape) for line in one) >= MIN_TOKENS:
        return True
    in_a_row = 0
    for mine, theirs in zip(one, other, strict=True):
        in_a_row = in_a_row + 1 if mine.tokens == theirs.tokens else 0
        if in_a_row == MIN_LINES:
            return True
    return False


def _spell(
    files: Sequence[SourceFile], lines: Sequence[Sequence[CodeLine]], place: Place, length: int
) -> str:
    run = _window(lines, place, length)
    return f"{files[place[0]].path}:{run[0].number}-{run[-1].number}"
