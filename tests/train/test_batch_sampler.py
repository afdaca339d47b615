"""The batches of a stage are the same however a step is split."""

import pytest
import torch

from coterie import recipes
from coterie.tasks.dense.task_set import DenseTasks
from coterie.train import RunConfig
from coterie.train.batch_sampler import MultiTaskDataset, StageBatchSampler
from tests.train.gallery import Gallery, base


def test_chance_hangs_on_the_place_in_the_run_alone() -> None:
    plan = RunConfig(
        recipe=recipes.dense(),
        base=base(),
        tasks=DenseTasks(dataset=Gallery()),
        batch_size=4,
        steps=8,
        seed=3,
    )
    (stage,) = plan.resolve_stages((12,))
    whole = list(StageBatchSampler(plan, stage, (12,), 0))
    lots = [lot for batch in whole for _, _, lot in batch]
    assert len(set(lots)) == 32  # 8 steps of 4: a picture that comes again is drawn anew
    halves = RunConfig(**{**vars(plan), "accumulation": 2})
    parts = list(StageBatchSampler(halves, stage, (12,), 0))
    assert [place for part in parts for place in part] == [p for batch in whole for p in batch]
    tasks = plan.tasks
    [rows] = tasks.load_datasets("train")
    mirrored = [not torch.equal(tasks.transform(rows[0], lot).image, rows[0].image) for lot in lots]
    assert mirrored == [
        not torch.equal(tasks.transform(rows[0], lot).image, rows[0].image) for lot in lots
    ]
    assert 4 < sum(mirrored) < 28  # half of 32, on average


def test_processes_share_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = RunConfig(
        recipe=recipes.dense(), base=base(), tasks=DenseTasks(dataset=Gallery()), batch_size=4,
        steps=3,
    )  # fmt: skip
    sizes = MultiTaskDataset(plan).sizes
    assert sizes == (12,)
    (stage,) = plan.resolve_stages(sizes)
    whole = list(StageBatchSampler(plan, stage, sizes, 0))
    monkeypatch.setenv("WORLD_SIZE", "2")
    shares = []
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        shares.append(list(StageBatchSampler(plan, stage, sizes, 0)))
    assert [first + second for first, second in zip(*shares, strict=True)] == whole
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(ValueError, match="a batch of 4 cannot be split into 1 equal parts on 3"):
        StageBatchSampler(plan, stage, sizes, 0)
