"""`check_patterns`: an adapter's regular expressions end in time on a base model's names."""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator

from coterie.annotations import abbreviate
from coterie.compatibility.adapter_folder import CONFIG, AdapterFolder
from coterie.name_patterns import LIMIT_S

MATCH = """
import json, re, sys
pattern, names = json.load(sys.stdin)
for name in names:
    re.match(pattern, name)
"""


def check_patterns(adapter: AdapterFolder, names: Iterable[str]) -> None:
    """Raise ValueError for an expression of adapter_config.json that takes too long.

    An adapter may come from anyone, and PEFT matches its expressions with `re`, which cannot be
    stopped in this process. The package `regex`, which can, takes its time for other expressions.
    """
    names = list(names)
    for key, pattern in list_patterns(adapter):
        try:
            # One that is none ends the process with an error; PEFT says so.
            subprocess.run(
                [sys.executable, "-I", "-S", "-c", MATCH], input=json.dumps([pattern, names]),
                text=True, capture_output=True, timeout=LIMIT_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise ValueError(
                f"{adapter.path / CONFIG}: {key} = {abbreviate(pattern)} takes more than "
                f"{LIMIT_S:g} s to match: write it without repetitions inside repetitions"
            ) from None


def list_patterns(adapter: AdapterFolder) -> Iterator[tuple[str, str]]:
    """Yield field and expression, as PEFT matches it with a module's whole name."""
    for key in ("target_modules", "exclude_modules"):
        if isinstance(pattern := adapter.get(key), str):
            yield key, rf"({pattern})\Z"
    for key in ("rank_pattern", "alpha_pattern"):
        for pattern in adapter.get(key, {}):
            yield key, rf"(.*\.)?({pattern})$"
