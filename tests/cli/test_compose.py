"""`coterie compose`: its arguments, and what it prints."""

from pathlib import Path

import pytest

from coterie.cli.compose import parse_take, parse_takes, parse_weights
from coterie.train import Run
from tests.cli.calls import Calls
from tests.compose import runs


def test_weights_and_what_to_take() -> None:
    assert parse_weights("0.3,0.7") == (0.3, 0.7) and parse_weights("search") == "search"
    assert parse_take("lm_head.weight=runs/a") == ("lm_head.weight", "runs/a")
    with pytest.raises(ValueError, match="--take lm_head: give NAME=RUN"):
        parse_take("lm_head")
    with pytest.raises(ValueError, match="--take lm_head has runs/a and runs/b: give one run"):
        parse_takes(["lm_head=runs/a", "lm_head=runs/b"])


def test_it_says_where_the_tensors_are_from(tmp_path: Path, coterie: Calls) -> None:
    one, two = (str(runs.naive(name).folder) for name in ("pictures", "speech"))
    out = str(tmp_path / "run")
    called = coterie("compose", one, two, "--out", out, "--weights", "0.25,0.75")
    assert called.code == 0, called.err
    assert f"{one}: text, image; weight for text 0.25" in called.out
    assert f"tensors: joined {one} and {two}: 14" in called.out
    assert called.out.endswith(f"written to {out}; next: coterie evaluate {out}\n")
    assert Run.read(out).is_finished
    called = coterie("compose", one, two, "--out", out)
    assert called.code == 2 and "has a run already" in called.err
