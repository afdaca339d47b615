"""The trainer's device: the chosen one, and one alone, whatever transformers would take."""

import pytest
import torch
from transformers import TrainingArguments

from coterie.train.stage_context import StageArguments


def test_transformers_is_given_one_gpu_of_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrainingArguments, "device", property(lambda _: torch.device("cuda:0")))
    monkeypatch.setattr(TrainingArguments, "n_gpu", property(lambda _: 2))
    arguments = object.__new__(StageArguments)
    arguments.stage_device = torch.device("cuda:1")
    assert arguments.device == torch.device("cuda:1")
    assert arguments.n_gpu == 1  # so that there is no DataParallel


def test_the_cpu_is_no_gpu(tmp_path) -> None:
    arguments = StageArguments(output_dir=str(tmp_path), use_cpu=True)
    arguments.stage_device = torch.device("cpu")
    assert arguments.device == torch.device("cpu") and arguments.n_gpu == 0
