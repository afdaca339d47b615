"""Units, lengths and spreads of the experiment, and all of it on a tiny model."""

from pathlib import Path

import numpy as np
import pytest

from experiments.uni_moe import (
    DENSE,
    PAPER,
    SINGLE,
    STAGES,
    Plan,
    Unit,
    list_units,
    make_recipe,
    measure_spread,
    share_work,
    summarize,
    train_and_score,
)
from tests.train import progressive

MODALITIES = {"image": ("colour",), "speech": ("pitch",), "text": ("animal",)}


def plan() -> Plan:
    return Plan(
        tasks=progressive.tasks(), modalities=MODALITIES, base=progressive.base(), seeds=(0,),
        steps=12, batch_size=2, limit=4,
    )  # fmt: skip


def test_spread_between_modalities() -> None:
    # Modalities of two tasks and one: means 0.75 and 0.25, so a mean of 0.5, 0.25 off on each side.
    found = measure_spread(np.array([1.0, 0.5, 0.25]), [[0, 1], [2]])
    assert found == {"mean": 0.5, "std": 0.25, "range": 0.5}
    many = measure_spread(np.ones((7, 3)), [[0, 1], [2]])
    assert many["range"].tolist() == [0.0] * 7


def test_all_systems_take_the_same_steps() -> None:
    for system in (DENSE, *STAGES):
        recipe = make_recipe(Unit(plan=plan(), system=system, seed=0))
        assert sum(stage.steps or 0 for stage in recipe.stages) == 12
    whole = make_recipe(Unit(plan=plan(), system="uni_moe", seed=0))
    # 1, 4 and 5 tenths of 12; the branches share the second evenly.
    assert [stage.steps for stage in whole.stages] == [1, 2, 2, 1, 6]


def test_the_dense_model_has_the_active_ranks_of_a_token() -> None:
    dense = make_recipe(Unit(plan=plan(), system=DENSE, seed=0))
    mlp, attention = (mixture.main for mixture in dense.mixtures)
    # Two experts of 8 + 16 ranks.
    assert (mlp.get_ranks(), attention.get_ranks()) == ((48,), (8,))


def test_units_have_folders_of_their_own() -> None:
    units = [unit.path for unit in list_units(plan())]
    # A model a task, the dense one, Uni-MoE's four, and the paper's weights once.
    assert len(set(units)) == len(units) == 3 + 1 + 4 + 1
    assert units[0] == f"{DENSE}/seed-0" and units[-1] == f"{SINGLE}/seed-0/animal"


@pytest.mark.slow
def test_all_of_it_on_a_tiny_model(tmp_path: Path) -> None:
    units = {unit.path: unit for unit in list_units(plan())}
    share_work(units, tmp_path / "claims", lambda unit: train_and_score(unit, tmp_path))
    found = summarize(plan(), tmp_path)
    assert set(found["once"]) == {PAPER} and set(found["once"][PAPER]) == set(plan().tasks.names)
    assert {row["system"] for row in found["table"]["rows"]} == {SINGLE, DENSE, *STAGES}
    # Four test rows a task, and models of four steps: a task may be one without a point.
    scored = set(plan().tasks.names) - set(found["spreads"]["left_out"])
    assert set(found["spreads"]) - {"left_out"} == ({SINGLE, DENSE, *STAGES} if scored else set())
