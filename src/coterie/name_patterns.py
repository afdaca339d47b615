"""Regular expressions that select modules and parameters by name, with bounds on length and time.

They come from recipes, which may come from anyone. An expression such as `([a-z.]+)+X` takes longer
than the age of the universe on one name; Python's `re` cannot be stopped, the package `regex` can.
"""

import time
import warnings
from collections.abc import Iterable

import regex

from coterie.annotations import abbreviate

MAX_LENGTH = 4096
"""Characters of an expression."""
LIMIT_S = 2.0
"""For all names of a model together, of which there are up to 100,000; a sane one takes 0.1 s."""


def compile_pattern(pattern: str, what: str) -> "regex.Pattern[str]":
    """Compile a regular expression.

    Raises ValueError, which begins with `what`, if it is none or too long.
    """
    if not isinstance(pattern, str) or len(pattern) > MAX_LENGTH:
        limit = f"give a regular expression of at most {MAX_LENGTH} characters"
        raise ValueError(f"{what}={abbreviate(pattern)}: {limit}")
    try:
        with warnings.catch_warnings():  # of syntax that may change its meaning one day
            warnings.simplefilter("ignore")
            return regex.compile(pattern)
    except (regex.error, RecursionError, OverflowError, ValueError) as error:
        problem = f"is no regular expression: {error}"
        raise ValueError(f"{what}={abbreviate(pattern)} {problem}") from error


def match_names(pattern: str, names: Iterable[str], what: str) -> list[str]:
    """Return the names that a regular expression matches in full, in their order.

    Raises ValueError, which begins with `what`, if it is none, is too long or takes too long.
    """
    compiled, end, found = compile_pattern(pattern, what), time.monotonic() + LIMIT_S, []
    try:
        for name in names:
            left_s = max(end - time.monotonic(), 1e-3)
            if compiled.fullmatch(name, timeout=left_s):
                found.append(name)
    except TimeoutError:
        advice = "write it without repetitions inside repetitions, such as (a+)+"
        raise ValueError(
            f"{what}={abbreviate(pattern)} takes more than {LIMIT_S:g} s to match: {advice}"
        ) from None
    return found
