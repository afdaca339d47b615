"""Two processes that train together make the model that one makes of the same batches."""

import json
import os
import shutil
import signal
import time
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
from coterie.evaluate import evaluate
from coterie.evaluate.scores import Scores
from coterie.experts.copies import Copies
from coterie.train import Run, checkpoint
from tests.processes import in_two
from tests.train import small
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
    base()  # one for both
    ended = in_two(folder, lambda rank: learned(folder, trains or recipe(), **OPTIONS))
    assert [code for code, _ in ended] == [0, 0]
    return [said for _, said in ended]


def test_two_processes_make_what_one_makes(tmp_path: Path) -> None:
    one = learned(tmp_path / "one", recipe(), **OPTIONS)  # first: forks have what it has imported
    assert "".join(both(tmp_path / "two")) == ""
    two = Run.read(tmp_path / "two")
    assert two.is_finished and two.config == one.config
    alone, shared = lines(one), lines(two)
    assert len(shared) == len(alone) == 4
    for mine, theirs in zip(alone, shared, strict=True):
        assert theirs["samples"] == mine["samples"] and theirs["stage_epoch"] == mine["stage_epoch"]
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


def test_a_killed_process_ends_the_other_with_a_message(tmp_path: Path) -> None:
    def work(rank: int) -> None:
        if rank == 0:  # after the second checkpoint
            checkpoint.remove_old = lambda stage, calls=[]: (
                calls.append(stage) or (len(calls) > 1 and os.kill(os.getpid(), signal.SIGKILL))
            )
        small.trained(tmp_path / "two", small.plain(steps=6), save_every=2)

    small.base(), small.tasks()
    started = time.monotonic()
    (killed, _), (ended, said) = in_two(tmp_path / "two", work)
    assert time.monotonic() - started < 60 and (killed, ended) == (-signal.SIGKILL, 0)
    assert "ConnectionError: process 1 of 2 lost another one, which ended" in said
    assert "--resume" in said
    # One process goes on where two stopped.
    again = small.trained(tmp_path / "two", small.plain(steps=6), save_every=2, resume=True)
    whole = small.trained(tmp_path / "one", small.plain(steps=6), save_every=2)
    for mine, theirs in zip(lines(whole), lines(again), strict=True):
        assert theirs["loss"] == pytest.approx(mine["loss"], abs=1e-5)


@pytest.mark.parametrize("kind", [pytest.param("text", marks=pytest.mark.slow), "vision"])
def test_predictions_of_two_are_those_of_one(kind: str, tmp_path: Path) -> None:
    if kind == "text":
        run = small.trained(tmp_path / "one", small.plain(steps=1))
    else:
        run = learned(tmp_path / "one", recipe(), steps=1)
    shutil.copytree(run.folder, tmp_path / "two")
    options = {"split": "validation", "batch_size": 2}
    one = evaluate(run, **options)
    assert in_two(tmp_path / "two", lambda rank: evaluate(tmp_path / "two", **options)) == [
        (0, ""), (0, "")
    ]  # fmt: skip
    two = Scores.read(tmp_path / "two")
    assert two.tasks == one.tasks
    for task in run.task_names:
        files = [Run.read(tmp_path / each).directory.predictions_file("validation", task)
                 for each in ("one", "two")]  # fmt: skip
        assert files[0].read_bytes() == files[1].read_bytes()
    usage = [json.loads((tmp_path / each / "routing.json").read_text()) for each in ("one", "two")]
    assert usage[0].keys() == usage[1].keys()


def test_rows_that_are_too_long_in_any_process_are_in_one_list(tmp_path: Path) -> None:
    options = {"max_length": 49, "skip_bad_rows": True, "batch_size": 8}
    small.base(), small.tasks()
    work = lambda rank: small.trained(tmp_path / "two", small.plain(steps=6), **options)  # noqa: E731
    assert in_two(tmp_path / "two", work) == [(0, ""), (0, "")]
    one = small.trained(tmp_path / "one", small.plain(steps=6), **options)
    found = Run.read(tmp_path / "two").read_bad_rows()
    assert len(found) > 2 and set(found) == set(one.read_bad_rows())


def test_what_any_process_refuses_all_refuse(tmp_path: Path) -> None:
    def refuse(rank: int) -> None:
        raise ValueError(f"row {rank} is bad") if rank < 2 else None

    def work(rank: int) -> None:
        assert together.run_on_rank_zero(lambda: rank) == 0
        assert together.take_share(range(5)) == [range(0, 5, 2), range(1, 5, 2)][rank]
        assert together.is_true_anywhere(rank == 1) and not together.is_true_anywhere(False)
        together.run_on_all(lambda: refuse(rank))

    for code, said in in_two(tmp_path / "two", work):
        assert code == 0 and said.splitlines()[-2:] == [
            "coterie.distributed.SharedError: row 0 is bad", "row 1 is bad"
        ]  # fmt: skip


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
    with pytest.raises(RuntimeError, match="timed out"), together.explain_lost_process():
        raise RuntimeError("timed out")  # not of another process
    linear = torch.nn.Linear(1, 1)
    together.average_gradients(linear)  # which has none, and nobody to share it with
