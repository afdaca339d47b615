"""The batches of a stage are the same however a step is split."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from coterie import Recipe, Stage, recipes
from coterie.data.task_sampling import TaskSampling
from coterie.tasks import TextTask
from coterie.tasks.dense.task_set import DenseTasks
from coterie.tasks.text.task_set import TextTasks
from coterie.train import RunConfig
from coterie.train.batch_sampler import StageBatchSampler, compute_sampling_weights
from coterie.train.datasets import MultiTaskDataset
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
    data = MultiTaskDataset(plan)
    (stage,) = plan.resolve_stages((12,))
    whole = list(StageBatchSampler(plan, stage, data, 0))
    lots = [lot for batch in whole for _, _, lot in batch]
    assert len(set(lots)) == 32  # 8 steps of 4: a picture that comes again is drawn anew
    halves = RunConfig(**{**vars(plan), "accumulation": 2})
    parts = list(StageBatchSampler(halves, stage, data, 0))
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
    data = MultiTaskDataset(plan)
    assert data.sizes == (12,)
    (stage,) = plan.resolve_stages(data.sizes)
    whole = list(StageBatchSampler(plan, stage, data, 0))
    monkeypatch.setenv("WORLD_SIZE", "2")
    shares = []
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        shares.append(list(StageBatchSampler(plan, stage, data, 0)))
    assert [first + second for first, second in zip(*shares, strict=True)] == whole
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(ValueError, match="a batch of 4 cannot be split into 1 equal parts on 3"):
        StageBatchSampler(plan, stage, data, 0)


@dataclass(frozen=True, kw_only=True)
class Letters(TextTasks):
    """Rows that are letters, of which capitals come with an image and digits with a sound."""

    tasks: tuple[TextTask, ...] = tuple(
        TextTask(name=name, rows={"train": f"{name}.jsonl"}) for name in ("a", "b")
    )

    def load_datasets(self, *args: object, **options: object) -> list[str]:
        return ["xyzABCD", "pqPQRS12"]

    def get_modalities(self, sample: str) -> tuple[str, ...]:
        return ("image",) * sample.isupper() + ("audio",) * sample.isdigit()


def test_devices_get_the_same_modalities(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = RunConfig(
        recipe=recipes.shared_lora(), base=base(), tasks=Letters(), batch_size=4, steps=15,
        accumulation=2, mix=TaskSampling(group_by_modality=True),
    )  # fmt: skip
    data = MultiTaskDataset(plan)
    # In the order of their names: none, audio, image.
    assert [each.tolist() for each in data.find_groups()] == [
        [0, 0, 0, 2, 2, 2, 2], [0, 0, 2, 2, 2, 2, 1, 1]
    ]  # fmt: skip
    (stage,) = plan.resolve_stages(data.sizes)
    monkeypatch.setenv("WORLD_SIZE", "2")
    shares = []
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        shares.append(list(StageBatchSampler(plan, stage, data, 0)))
    found = {0: "", 1: ""}
    kinds = []
    for parts in zip(*shares, strict=True):
        rows = [(task, data.datasets[task][row]) for part in parts for task, row, _ in part]
        kinds.append({data.get_modalities(row) for _, row in rows})
        for task, row in rows:
            found[task] += row
    assert all(len(each) == 1 for each in kinds)
    # 30 parts of two: of 15 rows 5 have no media, 2 a sound and 8 an image.
    assert [kinds.count({each}) for each in ((), ("audio",), ("image",))] == [10, 4, 16]
    # Four passes: as many samples of each row, and of each task, as without groups.
    assert {task: sorted(rows) for task, rows in found.items()} == {
        0: sorted("xyzABCD" * 4), 1: sorted("pqPQRS12" * 4)
    }  # fmt: skip


def test_task_shares_are_met_and_the_others_share_the_rest(tmp_path: Path) -> None:
    sizes = {"a": 8, "b": 4, "c": 4}
    for name, count in sizes.items():
        rows = '{"question": "is it?", "answer": "yes"}\n' * count
        (tmp_path / f"{name}.jsonl").write_text(rows)
    tasks = TextTasks(
        tasks=tuple(
            TextTask(name=name, rows={"train": f"{name}.jsonl"}, folder=str(tmp_path))
            for name in sizes
        )
    )
    stage = Stage(steps=10, task_shares={"a": 0.2})
    plan = RunConfig(
        recipe=Recipe(stages=(stage,)), base="tiny", tasks=tasks, batch_size=10,
        mix=TaskSampling(temperature="equal"),
    )  # fmt: skip
    data = MultiTaskDataset(plan)
    (stage,) = plan.resolve_stages(data.sizes)
    drawn = [task for batch in StageBatchSampler(plan, stage, data, 0) for task, _, _ in batch]
    # 100 samples: a has a fifth of them, and b and c, which are drawn alike, half of the rest each.
    assert [drawn.count(task) for task in range(3)] == [20, 40, 40]
    # Equal shares of 1/3 become 0.2, 0.4 and 0.4.
    assert compute_sampling_weights(plan, stage, data.sizes) == pytest.approx([0.6, 1.2, 1.2])
    alone = replace(stage, tasks=("a",))
    with pytest.raises(ValueError, match=r"task_shares=\{'a': 0.2\}.*none is left for the rest"):
        compute_sampling_weights(plan, alone, data.sizes)
