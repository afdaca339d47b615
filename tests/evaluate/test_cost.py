"""Parameters, FLOPs and speed, counted by hand."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

import coterie
from coterie.evaluate import cost
from coterie.mixture import Mixture
from coterie.train import checkpoint
from coterie.train.finished_stages import FinishedStage, add_finished_stage
from coterie.train.run_directory import RunDirectory
from coterie.tuner.layer import CoterieLayer
from tests.tinies.text import llama

AT = ("model.layers.0.mlp.up_proj",)  # 32 -> 64


def test_idle_experts_are_not_active() -> None:
    mixture = Mixture(at=AT, experts=coterie.Lora(ranks=(1, 3)), shared=coterie.Lora(ranks=(2,)))
    model = coterie.graft(llama().model, mixture)
    layer = next(each for each in model.modules() if isinstance(each, CoterieLayer))
    # A rank has 32 + 64 = 96 numbers.
    assert mixture.main.count_parameters(layer.coterie_experts["default"], mixture.shared) == [
        96,
        288,
    ]
    total = cost.count_total_parameters(model)
    use = {AT[0]: {"chosen": {"a": [1.0, 0.0], "b": [1.0, 0.5]}}}
    # The second expert is chosen by a quarter: 3/4 of 288 are idle.
    assert cost.count_active_parameters(model, use) == total - 216
    assert cost.count_active_parameters(model, {}) == total


def test_copies_count_by_expert() -> None:
    mixture = Mixture(at=("model.layers.0.mlp",), experts=coterie.Copies(count=3))
    model = coterie.graft(llama().model, mixture)
    layer = next(each for each in model.modules() if isinstance(each, CoterieLayer))
    # Three matrices of 32 x 64.
    assert (
        mixture.main.count_parameters(layer.coterie_experts["default"], mixture.shared)
        == [6144] * 3
    )


def test_frozen_starts_of_experts_count() -> None:
    def count(start_rank: int) -> int:
        kind = coterie.Copies(count=2, trained="lora", rank=1, start_rank=start_rank)
        mixture = coterie.Mixture(at="text.mlp", experts=kind, gate=coterie.TokenGate())
        return cost.count_total_parameters(coterie.graft(llama().model, mixture))

    # Two experts at two MLPs, of three linear layers of 32 and 64 units: rank times 96 each.
    assert count(3) - count(0) == 2 * 2 * 3 * 3 * 96


def test_flops_are_those_of_the_products() -> None:
    class Host(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.map = nn.Linear(8, 4, bias=False)

        def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
            return self.map(input_ids)

    # 2 * 8 * 4 a token: 3 samples of 5 tokens.
    host = Host()
    assert cost.count_flops(lambda: host(torch.zeros(3, 5, 8))) == 2 * 8 * 4 * 5 * 3


def test_attention_is_counted() -> None:
    tiny = llama()
    tokens, samples = tiny.batch["input_ids"].shape[1], 2
    found = cost.count_flops(lambda: tiny.model(**tiny.batch)) / samples
    linear = sum(p.numel() for n, p in tiny.model.named_parameters()
                 if p.ndim == 2 and "embed" not in n)  # fmt: skip
    # Two layers of attention of 4 heads of 8: scores and values, 2 * tokens * tokens * 32 each.
    attention = 2 * 2 * (2 * tokens * tokens * 32)
    assert samples == len(tiny.batch["input_ids"])
    # Rotary angles are a small product, too.
    assert found == pytest.approx(2 * linear * tokens + attention, rel=0.01)


def test_memory_and_training(tmp_path: Path) -> None:
    peak = cost.get_peak_memory_bytes(torch.device("cpu"))
    assert peak is not None and peak > 2**26
    run = RunDirectory(tmp_path)
    assert cost.read_training_time(run) == {"train_time_s": None, "samples_per_s": None}
    (tmp_path / "log.jsonl").write_text('{"step": 2, "time_s": 4.0, "samples": 16}\n{"time_s"')
    assert cost.read_training_time(run) == {"train_time_s": 4, "samples_per_s": 4}


def test_training_of_stages_counts_all_samples_up_to_the_last_step(tmp_path: Path) -> None:
    # Batches of 8 in 4 steps, then of 4 in 7: 32 + 28 = 60 samples in 20 s. Records are of the
    # first steps, and of the third and the fifth of the stages.
    records = [(1, "a", 1.0, 8), (3, "a", 3.0, 24), (5, "b", 6.0, 4), (9, "b", 15.0, 20)]
    lines = [
        json.dumps({"step": step, "stage": stage, "time_s": time_s, "samples": samples})
        for step, stage, time_s, samples in records
    ]
    (tmp_path / "log.jsonl").write_text("\n".join(lines) + "\n")
    run = RunDirectory(tmp_path)
    # While it is trained: 32 and 5 * 4 samples in 15 s.
    assert cost.read_training_time(run) == {"train_time_s": 15, "samples_per_s": 52 / 15}
    run.adapter_folder.mkdir()
    for number, (stage, steps, all_steps, time_s) in enumerate(
        [("a", 4, 4, 4.0), ("b", 7, 11, 20.0)]
    ):
        folder = run.checkpoints_folder(number, stage) / f"checkpoint-{steps}"
        folder.mkdir(parents=True)
        (folder / checkpoint.STATE_FILE).write_text(
            json.dumps({"step": all_steps, "time_s": time_s})
        )
        at = folder.relative_to(tmp_path).as_posix()
        add_finished_stage(run, FinishedStage(stage=stage, steps=steps, weights_folder=at))
    assert cost.read_training_time(run) == {"train_time_s": 20, "samples_per_s": 3}
