"""A language model with the experts that one task uses."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

import coterie
from coterie import Copies, Recipe, Stage
from coterie.extract import extract
from coterie.extract.expert_selection import PruningOptions
from coterie.extract.native_pruning import find_most_used
from tests.cli.folders import llama_folder, text_tasks
from tests.extract.copies_models import COPIES, grafted

FOUR = replace(COPIES, experts=Copies(count=4))
LAYERS = [f"model.layers.{number}.mlp" for number in (0, 1)]
# Of the first layer, one expert is never chosen; of the second, two.
USE = {
    LAYERS[0]: {"chosen": [0.9, 0.5, 0.6, 0.0]},
    LAYERS[1]: {"chosen": [0.0, 1.0, 0.0, 1.0]},
}


def test_experts_that_are_used_remain(tmp_path: Path) -> None:
    folder = extract(
        grafted((FOUR,)), task="any", to=tmp_path / "x", format="native", use=USE,
        pruning=PruningOptions(),
    )  # fmt: skip
    report = json.loads((folder / "coterie_extract.json").read_text())
    # As many in each layer; of the second, the first of those that were never chosen, too.
    assert report["kept"] == {LAYERS[0]: [0, 1, 2], LAYERS[1]: [0, 1, 3]}
    assert report["choices_lost"] == dict.fromkeys(LAYERS, 0.0) and report["experts"] == 3
    assert report["probe_error"] < 1e-5
    assert AutoModelForCausalLM.from_pretrained(folder).config.num_local_experts == 3


def test_most_used() -> None:
    assert find_most_used([0.1, 0.3, 0.2, 0.3], 2) == (1, 3)
    assert find_most_used([0.0, 0.0, 1.0], 2) == (0, 2)


def test_refused(tmp_path: Path) -> None:
    over_all = replace(FOUR, router=replace(FOUR.router, normalize="all"))
    for mixture, use, said in (
        (over_all, USE, "removing some raises the weights of the others"),
        (FOUR, None, "run `coterie evaluate`"),
        (FOUR, {LAYERS[0]: {"chosen": [1.0]}}, "use has 1 shares for"),
    ):
        with pytest.raises(ValueError, match=said):
            extract(
                grafted((mixture,)), task="any", to=tmp_path / "x", format="native", use=use,
                pruning=PruningOptions(),
            )  # fmt: skip


def test_a_run_that_was_evaluated(tmp_path: Path) -> None:
    base, tasks = (
        llama_folder(tmp_path / "model"),
        coterie.read_tasks(text_tasks(tmp_path / "data")),
    )
    stage = Stage(name="one", steps=1, batch_size=2)
    recipe = Recipe(name="copies", mixtures=(FOUR,), stages=(stage,))
    run = coterie.train(recipe, base=str(base), tasks=tasks, out=tmp_path / "run")
    with pytest.raises(ValueError, match="run `coterie evaluate` first"):
        extract(run, task="first", to=tmp_path / "x", format="native", pruning=PruningOptions())
    coterie.evaluate(run)
    # An expert remains if it has more than 0.6 / 2 of the choices, and two always do.
    strict = PruningOptions(threshold=0.6)
    folder = extract(run, task="first", to=tmp_path / "x", format="native", pruning=strict)
    report = json.loads((folder / "coterie_extract.json").read_text())
    assert 2 <= report["experts"] < 4 and len(report["kept"]) == 2
    assert report["probe_error"] < 1e-5 and (folder / "tokenizer.json").is_file()
