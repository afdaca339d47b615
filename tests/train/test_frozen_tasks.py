"""The weights that training beside frozen tasks starts from; runs are in test_add_tasks.py."""

import pytest
import torch

from coterie import Copies, Mixture, TaskGate, TopK
from coterie.train.frozen_tasks import build_extended_weights, check_task_gates
from coterie.tuner.config import CoterieConfig

GATE = "base_model.model.layers.0.mlp.coterie_gate.default.weight"
OLD = {GATE: torch.tensor([[1.0, 0.0], [3.0, 4.0]]), "embeddings.2": torch.tensor([[1.0], [2.0]])}
NEW = {
    GATE: torch.full((3, 2), 9.0),
    "embeddings.2": torch.full((3, 1), 9.0),
    "heads.2.weight": torch.full((1,), 7.0),
}


def test_new_gates_start_as_the_mean_of_the_old() -> None:
    extended = build_extended_weights(OLD, NEW, like=None)
    # Means of the columns: (1 + 3) / 2 and (0 + 4) / 2.
    assert extended[GATE].tolist() == [[1.0, 0.0], [3.0, 4.0], [2.0, 2.0]]
    # Task embeddings and heads have no such start: those of the new model stay.
    assert extended["embeddings.2"].tolist() == [[1.0], [2.0], [9.0]]
    assert extended["heads.2.weight"].tolist() == [7.0]


def test_new_gates_start_as_one_old_task() -> None:
    assert build_extended_weights(OLD, NEW, like=1)[GATE][2].tolist() == [3.0, 4.0]


def test_each_mixture_needs_a_gate_for_each_task() -> None:
    at = {"at": "vision.mlp", "experts": Copies(count=2)}
    gated = Mixture(**at, gate=TaskGate(), router=TopK(k=1))
    check_task_gates(CoterieConfig.from_mixtures((gated,), tasks=("a",)))
    with pytest.raises(ValueError, match=r"at 'vision\.mlp' has a NoneType"):
        check_task_gates(CoterieConfig.from_mixtures((Mixture(**at, gate=None),), tasks=("a",)))
