"""Two processes that train together make the model that one makes of the same batches."""

import os
import traceback
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import distributed

from coterie import (
    AttentionHeads,
    Mixture,
    MutualInformation,
    Recipe,
    Stage,
    TaskGate,
    TopK,
    Uncertainty,
    UPGrad,
)
from coterie import distributed as together
from coterie.experts.copies import Copies
from coterie.train import Run
from tests.forks import forked, status
from tests.train.gallery import Gallery, base, learned
from tests.train.small import adapter, lines

pytestmark = pytest.mark.skipif(
    not distributed.is_available(), reason="torch is built without distributed"
)
MIXTURES = (
    Mixture(
        at="vision.attn",
        experts=AttentionHeads(count=3),
        gate=TaskGate(init_std=1.0),
        router=TopK(k=2),
    ),
    Mixture(
        at="vision.mlp", experts=Copies(count=3), gate=TaskGate(init_std=1.0), router=TopK(k=2)
    ),
)


def recipe() -> Recipe:
    """No chance, but all that hangs on the global batch; gradients are long enough to be cut."""
    return Recipe(
        mixtures=MIXTURES,
        losses=(MutualInformation(weight=1.0),),
        balancing=Uncertainty(positive=True),
        stages=(Stage(trains=("adapter", "host"), learning_rate=1e-3, schedule="constant"),),
    )


# Batches of two: each process has one picture a step, which of every third has no label of "half".
OPTIONS = {"steps": 4, "batch_size": 2, "log_every": 1, "evaluate_every": 2, "max_grad_norm": 0.5}


def both(folder: Path, trains: Recipe | None = None) -> list[str]:
    """Train one run in two processes; return each one's traceback, "" if there is none."""
    trains = trains or recipe()

    def work(rank: int) -> None:
        # A fork has what this process knows of being alone.
        from accelerate.state import AcceleratorState

        AcceleratorState._reset_state(reset_partial_state=True)
        places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2}
        os.environ |= {name: str(number) for name, number in places.items()}
        meeting = f"file://{folder}-meeting"
        distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
        try:
            learned(folder, trains, **OPTIONS)
            said[rank].write_text("")
        except Exception:
            said[rank].write_text(traceback.format_exc())
        distributed.destroy_process_group()

    Path(f"{folder}-meeting").unlink(missing_ok=True)
    base()  # one for both
    said = [Path(f"{folder}-{rank}.txt") for rank in range(2)]
    children = [forked(lambda rank=rank: work(rank)) for rank in range(2)]
    assert [status(child) for child in children] == [0, 0]
    return [each.read_text() for each in said]


def test_two_processes_make_what_one_makes(tmp_path: Path) -> None:
    one = learned(tmp_path / "one", recipe(), **OPTIONS)  # first: forks have what it has imported
    assert "".join(both(tmp_path / "two")) == ""
    two = Run.read(tmp_path / "two")
    assert two.is_finished and two.config == one.config
    alone, shared = lines(one), lines(two)
    assert len(shared) == len(alone) == 4
    for mine, theirs in zip(alone, shared, strict=True):
        assert theirs["samples"] == mine["samples"] and theirs["epoch"] == mine["epoch"]
        for name in ("loss", "gradient_norm"):
            assert theirs[name] == pytest.approx(mine[name], rel=1e-4)
        for name in ("task_loss", "routing_loss"):
            assert theirs[name] == pytest.approx(mine[name], rel=1e-4)
        assert set(theirs["use"]) == set(mine["use"])
        for layer, statistics in mine["use"].items():
            weights = statistics["mean_weight"]
            assert set(weights) == set(Gallery().names)
            for task, row in weights.items():
                found = theirs["use"][layer]["mean_weight"][task]
                assert found == pytest.approx(row, abs=1e-5)
    assert all(line["gradient_norm"] > 0.5 for line in alone)  # or nothing was cut
    assert shared[-1]["validation_loss"] == pytest.approx(alone[-1]["validation_loss"], rel=1e-4)
    # Sums of float32 in another order differ in the last bits; four steps of 1e-3 move a weight by
    # at most 4e-3, and a lost or doubled share of a gradient turns a good part of them around.
    wanted = adapter(one)
    for name, values in adapter(two).items():
        assert (values - wanted[name]).abs().mean() < 2e-5, name
    # A second run in the folder is refused by both alike, and none waits for the other.
    assert all("already has a run" in each for each in both(tmp_path / "two"))


def test_gradient_balancing_in_two_processes_is_that_in_one(tmp_path: Path) -> None:
    balanced = replace(recipe(), balancing=UPGrad())
    one = learned(tmp_path / "one", balanced, **OPTIONS)
    assert "".join(both(tmp_path / "two", balanced)) == ""
    two = Run.read(tmp_path / "two")
    for mine, theirs in zip(lines(one), lines(two), strict=True):
        for name in ("loss", "gradient_norm", "task_loss", "routing_loss"):
            assert theirs[name] == pytest.approx(mine[name], rel=1e-4)
    wanted = adapter(one)
    for name, values in adapter(two).items():
        assert (values - wanted[name]).abs().mean() < 2e-5, name


def test_what_the_first_process_refuses_is_refused(monkeypatch) -> None:
    monkeypatch.setenv("RANK", "1")
    done: list[int] = []
    together.run_on_rank_zero(lambda: done.append(1))
    assert not done and not together.is_rank_zero()
    monkeypatch.setattr(together, "all_gather_object", lambda mine: ["no", None])
    with pytest.raises(ValueError, match="no"):
        together.run_on_rank_zero(lambda: 1)


def test_one_process_is_all_of_them() -> None:
    assert together.get_rank() == 0 and together.get_world_size() == 1 and together.is_rank_zero()
    together.barrier()
    together.init_distributed(torch.device("cpu"))
    assert not together.is_initialized() and together.all_gather_object("alone") == ["alone"]
    done: list[int] = []
    together.run_on_rank_zero(lambda: done.append(2))
    assert done == [2]
    with pytest.raises(ValueError, match="bad"):
        together.run_on_rank_zero(lambda: int("bad"))
    linear = torch.nn.Linear(1, 1)
    together.average_gradients(linear)  # which has none, and nobody to share it with
