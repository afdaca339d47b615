"""A run that is killed again and again ends with the same bits as one that is not."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from coterie.train import Run, adapter_weights, checkpoint, stage_runner, trainer
from tests.forks import forked, status
from tests.train.small import content, hard, lines, trained

HARD = {"accumulation": 2, "log_usage_every": 1, "patience": 9, "evaluate_every": 3}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained(tmp_path_factory.mktemp("whole") / "run", hard(), **HARD)


def resumed(folder: Path) -> Run:
    return trained(folder, hard(), resume=True, **HARD)


def killed(folder: Path, place: tuple[object, str], turn: int) -> None:
    """Resumes, and dies at the `turn`-th call of a function."""
    owner, name = place
    real, calls = getattr(owner, name), []

    def fatal(*args: object, **kwargs: object) -> object:
        calls.append(name)
        if len(calls) == turn:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)

    setattr(owner, name, fatal)
    resumed(folder)


# In the order in which a run comes by them.
PLACES = {
    "in the first checkpoint, weights written": ((checkpoint, "save_state"), 1),
    "in the second checkpoint": ((checkpoint, "save_state"), 2),
    "between the stages": ((stage_runner, "add_finished_stage"), 1),
    "in the second step": ((trainer.MixtureTrainer, "compute_loss"), 3),
    "before old checkpoints are removed": ((checkpoint, "remove_old"), 2),
    "in the adapter, at the end": ((adapter_weights, "save_tensors"), 2),
}


def test_kills_at_chosen_places(whole: Run, tmp_path: Path):
    for place, turn in PLACES.values():
        child = forked(lambda place=place, turn=turn: killed(tmp_path / "run", place, turn))
        assert status(child) == -signal.SIGKILL
    again = resumed(tmp_path / "run")
    assert lines(again) == lines(whole)
    assert content(again) == content(whole)


@pytest.mark.slow
def test_ten_kills_at_random_moments(whole: Run, tmp_path: Path):
    lots = random.Random(0)
    kills = turn = 0
    longest = 4.0
    while kills < 10:
        folder = tmp_path / str(turn)
        turn += 1
        while True:
            child = forked(lambda folder=folder: resumed(folder))
            time.sleep(lots.uniform(0.2, longest) if kills < 10 else 0)
            if kills < 10:
                os.kill(child, signal.SIGKILL)
            ended = status(child)
            if ended == 0:
                break
            assert ended == -signal.SIGKILL
            kills += 1
        again = Run.read(folder)
        assert lines(again) == lines(whole)
        assert content(again) == content(whole)
