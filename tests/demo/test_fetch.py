import json
import os
import sys
import types
from pathlib import Path

import pytest

from coterie.paths import get_cache_dir
from coterie_demo import fetch as module
from coterie_demo import pantry
from coterie_demo.fetch import WEIGHTS, fetch


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done, with a stand-in for each thing that is made."""
    words: list[str] = []

    def weights(log: object) -> Path:
        words.append("weights")
        return get_cache_dir() / "weights"

    def assemble(weights: Path, to: Path) -> None:
        words.append(f"omni of {weights.name}")
        to.mkdir(parents=True)
        (to / "config.json").write_text("{}")

    def build(to: Path, *, tasks: object, log: object) -> Path:
        words.append(f"pantry in {to.name}" + (f" of {tasks}" if tasks else ""))
        return to

    monkeypatch.setattr(module, "fetch_weights", weights)
    monkeypatch.setitem(module.STEPS, "weights", weights)
    stand_in = types.SimpleNamespace(assemble=assemble)
    monkeypatch.setitem(sys.modules, "coterie_demo.assemble_omni", stand_in)
    monkeypatch.setattr(pantry, "build", build)
    return words


def test_everything_in_its_order(done: list[str], own_home: Path) -> None:
    lines: list[str] = []
    assert fetch(log=lines.append) == own_home
    # The model needs the weights, so they are asked for twice; the second time they are there.
    assert done == ["weights", "weights", "omni of weights", "pantry in pantry"]
    assert lines == ["assembling the model from the weights", f"all there: {own_home}"]


def test_the_model_is_put_together_once(done: list[str], own_home: Path) -> None:
    fetch(["omni"], log=str)
    fetch(["omni"], log=str)
    assert done.count("omni of weights") == 1
    note = json.loads((own_home / "omni" / "provenance.json").read_text())
    assert note["weights"] == {each.folder: each.sha256 for each in WEIGHTS}


def test_a_model_of_other_weights_is_put_together_anew(done: list[str], own_home: Path) -> None:
    fetch(["omni"], log=str)
    (own_home / "omni" / "provenance.json").write_text("{}")
    fetch(["omni"], log=str)
    assert done.count("omni of weights") == 2


def test_other_connectors_make_it_anew(
    done: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch(["omni"], log=str)
    (tmp_path / "connectors.safetensors").write_bytes(b"trained")
    monkeypatch.setattr(module, "CONNECTORS", tmp_path / "connectors.safetensors")
    fetch(["omni"], log=str)
    assert done.count("omni of weights") == 2


def test_scenes_are_not_made_unasked(
    done: list[str], own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(module.STEPS, "scenes", lambda say: done.append("scenes"))
    fetch(log=str)
    assert "scenes" not in done
    fetch(["scenes"], log=str)
    assert done[-1] == "scenes"


def test_only_what_is_named(done: list[str]) -> None:
    fetch(["pantry"], log=str)
    fetch(["pantry"], tasks=["naming"], log=str)
    assert done == ["pantry in pantry", "pantry in pantry of ['naming']"]


def test_an_unknown_name_is_refused_before_anything_is_done(done: list[str]) -> None:
    with pytest.raises(ValueError, match=r"\['emoji'\] can be fetched: name any of \['weights', "):
        fetch(["weights", "emoji"], log=str)
    assert done == []


REAL = os.environ.get("COTERIE_FETCHED")
"""Read before the tests have a home of their own: a folder that `coterie fetch` filled."""


@pytest.mark.slow
@pytest.mark.skipif(not REAL, reason="set COTERIE_FETCHED to a filled COTERIE_HOME")
def test_the_real_language_model_knows_a_capital(monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    monkeypatch.setenv("COTERIE_HOME", str(REAL))
    folder = str(fetch(["weights"], log=str) / "weights" / "llm")
    tokenizer, model = (
        each.from_pretrained(folder) for each in (AutoTokenizer, AutoModelForCausalLM)
    )
    ids = tokenizer("The capital of Italy is", return_tensors="pt")
    out = model.generate(**ids, max_new_tokens=1, do_sample=False)
    assert tokenizer.decode(out[0]) == "The capital of Italy is Rome"
