"""What coterie computed before the redesign is what it computes now.

golden.json holds, for each entry of `runs.ENTRIES`, what was recorded: the losses of five training
steps and the scores of each recipe on a tiny host in float32 and bfloat16, two extractions, two
comparison tables and the text of two reports. On the machine and with the versions that recorded
them they are equal bit for bit. Another CPU or version adds up in another order, so there numbers
may differ by a relative 1e-4 (in bfloat16, which has 8 bits, by 2e-2), texts by their numbers, and
tensors are compared by their norm instead of their digest. Of runs in which the last bits soon
decide more than that, the first two steps are compared there: those in bfloat16, Awaker's, whose
gate chooses one of experts that start equal, and damc's, of which AVX2 and AVX512 were measured to
differ by 2e-4 at the third step.

A change of a number or text on purpose is one command: `python -m tests.golden --reason "..."`
computes all entries again, writes those that differ, and notes the reason with each.
"""

import math
import re
from typing import Any

import pytest

from tests.golden import runs
from tests.golden.file import load

RELATIVE = {"float32": 1e-4, "bfloat16": 2e-2}
STEPS = 2
NUMBER = re.compile(r"[-+\u2212]?\d[\d.,]*(?:e[-\u2212]?\d+)?")
RECORDED = load()
SAME_MACHINE = RECORDED["machine"] == runs.machine()


@pytest.fixture(scope="module", autouse=True)
def _clear():
    yield
    runs.clear()


def shorten(recorded: Any, entry: str) -> Any:
    """Return what another machine computes alike: all, or of some runs the first steps."""
    soon_differs = entry.endswith("bfloat16") or entry.startswith(("recipe awaker", "recipe damc"))
    if soon_differs and "steps" in recorded:
        return {"steps": recorded["steps"][:STEPS]}
    return recorded


def differences(recorded: Any, found: Any, relative: float | None, path: str = "") -> list[str]:
    """What differs, as "path: recorded, found"; `relative` is None where bits are compared."""
    if isinstance(recorded, dict) and isinstance(found, dict):
        every = [key for key in {**recorded, **found} if relative is None or key != "sha256"]
        pairs = [(key, recorded.get(key), found.get(key)) for key in every]
    elif isinstance(recorded, list | tuple) and isinstance(found, list | tuple):
        if len(recorded) != len(found):
            return [f"{path}: {len(recorded)} items, {len(found)} items"]
        pairs = [(str(i), *pair) for i, pair in enumerate(zip(recorded, found, strict=True))]
    elif equal(recorded, found, relative):
        return []
    else:
        return [f"{path}: {recorded!r}, {found!r}"]
    return [
        line
        for key, one, other in pairs
        for line in differences(one, other, relative, f"{path}/{key}")
    ]


def equal(recorded: Any, found: Any, relative: float | None) -> bool:
    """Whether two numbers or texts are the same, to a relative tolerance if there is one."""
    if type(recorded) is not type(found):
        return False
    if isinstance(recorded, float):
        if relative is not None:
            return math.isclose(recorded, found, rel_tol=relative, abs_tol=relative)
        # As hexadecimal text, so that NaN equals NaN and 0.0 differs from -0.0.
        return recorded.hex() == found.hex()
    if isinstance(recorded, str) and relative is not None:
        return NUMBER.sub("#", recorded) == NUMBER.sub("#", found)
    return recorded == found


# In bfloat16, whose products most CPUs emulate, `make test-slow` has them.
@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(entry, marks=pytest.mark.slow if entry.endswith("bfloat16") else ())
        for entry in runs.ENTRIES
    ],
)
def test_is_as_recorded(entry: str) -> None:
    relative = (
        None if SAME_MACHINE else RELATIVE[entry.split()[-1] if entry.endswith("16") else "float32"]
    )
    pair = RECORDED["entries"][entry]["recorded"], runs.ENTRIES[entry]()
    found = differences(*(x if SAME_MACHINE else shorten(x, entry) for x in pair), relative)
    where = "bit for bit" if SAME_MACHINE else f"to a relative {relative}"
    assert not found, f"compared {where}; recorded, found:\n" + "\n".join(found)


def test_every_entry_has_a_reason() -> None:
    assert RECORDED["entries"].keys() == runs.ENTRIES.keys()
    assert all(entry["reasons"] and all(entry["reasons"]) for entry in RECORDED["entries"].values())


def test_a_last_bit_and_a_word_are_differences() -> None:
    recorded = {"loss": [0.1, 1], "text": ["a 0.1 b"], "sha256": "aa"}
    assert differences(recorded, recorded, None) == []
    # 0.1 and the next larger number.
    other = {"loss": [0.10000000000000002, 1], "text": ["a 0.2 b"], "sha256": "ab"}
    assert [line.partition(":")[0] for line in differences(recorded, other, None)] == [
        "/loss/0", "/text/0", "/sha256"
    ]  # fmt: skip
    assert differences(recorded, other, 1e-4) == []
    assert differences(recorded, other | {"loss": [0.1003, 1]}, 1e-4) == ["/loss/0: 0.1, 0.1003"]
    assert differences(recorded, other | {"text": ["a 0.2 c"]}, 1e-4) != []
    assert differences(recorded, {"loss": [0.1]}, None) != []


def test_what_another_machine_computes_alike() -> None:
    recorded = {"steps": [{"loss": 1.0}, {"loss": 2.0}, {"loss": 3.0}], "scores": {"a": 4.0}}
    first = {"steps": [{"loss": 1.0}, {"loss": 2.0}]}
    assert shorten(recorded, "recipe awaker on llava in float32") == first
    assert shorten(recorded, "recipe rode on llama in bfloat16") == first
    assert shorten(recorded, "recipe rode on llama in float32") == recorded
