"""Text tasks are added to a run, whose own tasks and tensors stay as they are, bit for bit."""

import json
import os
import shutil
import signal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import coterie
from coterie import Lora, Mixture, Recipe, Run, Softmax, Stage, TaskGate, recipes
from coterie.tasks import TextTask, TextTasks
from coterie.tasks.frozen_tasks import FrozenTasks
from coterie.train.frozen_mixtures import check_frozen_tensors
from coterie.train.trainer import MixtureTrainer
from tests.train.small import NAMES, adapter, content, trained

OPTIONS: dict[str, Any] = {
    "steps": 3, "learning_rate": 1e-2, "batch_size": 4, "save_every": 1, "progress": False
}  # fmt: skip


def small(experts: Lora, **fields: Any) -> Recipe:
    mixture = Mixture(at="text.mlp", experts=experts, **fields)
    return Recipe(name="small", mixtures=(mixture,), stages=(Stage(learning_rate=1e-2, steps=2),))


RECIPES = {
    "shared": small(Lora(ranks=(4,)), gate=None),
    "task": small(
        Lora(ranks=(2, 2)), gate=TaskGate(per_token=False, init_std=1.0), router=Softmax()
    ),
    "rode": recipes.rode(),
}


def make_task(folder: Path, name: str) -> TextTask:
    rows = [{"question": f"what is {i}?", "answer": f"{name} {i}"} for i in range(6)]
    (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return TextTask(
        name=name, rows=dict.fromkeys(("train", "validation"), f"{name}.jsonl"), folder=str(folder)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def old(folder: Path) -> Run:
    return trained(folder / "old", RECIPES["task"], steps=2)


def test_two_steps_of_growth(old: Run, folder: Path) -> None:
    first = coterie.add_tasks(old, tasks=make_task(folder, "sum"), out=folder / "1", **OPTIONS)
    second = coterie.add_tasks(first, tasks=make_task(folder, "rest"), out=folder / "2", **OPTIONS)
    assert second.task_names == (*NAMES, "sum", "rest")
    assert [list(line["task_loss"]) for line in second.read_log()] == [["rest"]] * 2
    # What was there is in the file bit for bit, and only the new mixtures were trained.
    weights = [adapter(run) for run in (old, first, second)]
    for before, after in pairwise(weights):
        assert all(torch.equal(after[name], each) for name, each in before.items())
        new = {name for name in after if name not in before}
        assert any("bridge_0" in name and after[name].any() for name in new)
        bridges = [after[name] for name in new if "bridge_" in name]
        assert not all(torch.equal(each, torch.eye(len(each))) for each in bridges)


@pytest.mark.parametrize("choice", ["gated", "per_token"])
def test_an_old_task_is_extracted_as_from_the_old_run(
    old: Run, folder: Path, choice: str, tmp_path: Path
) -> None:
    new = coterie.add_tasks(
        old, tasks=make_task(folder, "sum"), out=tmp_path / "x",
        recipe=recipes.pathweave(at=("text.mlp",), **{choice: False}), **OPTIONS,
    )  # fmt: skip
    found = [
        coterie.extract(run, task="ocr", to=tmp_path / f"{name}-ocr", format="adapter")
        for name, run in (("old", old), ("new", new))
    ]
    one, two = (load_file(each / "adapter_model.safetensors") for each in found)
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
    # A new task is a LoRA of all ranks: 2 and 2 viewed, 8 new; 12, padded to 16 of vLLM.
    own = coterie.extract(new, task="sum", to=tmp_path / "sum", format="adapter")
    assert json.loads((own / "adapter_config.json").read_text())["r"] == 16
    with pytest.raises(ValueError, match="use 'adapter' or 'merged'"):
        coterie.extract(new, to=tmp_path / "none", format="adapters")


def test_a_run_that_was_cut_off_goes_on(
    old: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def grow(name: str, **more: Any) -> Run:
        return coterie.add_tasks(
            old, tasks=make_task(folder, "sum"), out=folder / name, **OPTIONS, **more
        )

    whole, real, calls = grow("whole"), MixtureTrainer.compute_loss, []

    def press(*args: Any, **more: Any) -> Any:
        calls.append(args)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return real(*args, **more)

    with monkeypatch.context() as patched:
        patched.setattr(MixtureTrainer, "compute_loss", press)
        with pytest.raises(KeyboardInterrupt, match="stopped after step 2"):
            grow("cut")
    assert content(grow("cut", resume=True)) == content(whole)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["shared", "rode"])
def test_other_systems_grow(name: str, folder: Path) -> None:
    run = trained(folder / name, RECIPES[name], steps=2)
    new = coterie.add_tasks(
        run, tasks=make_task(folder, "sum"), out=folder / f"{name}-new", **OPTIONS
    )
    before, after = adapter(run), adapter(new)
    assert all(torch.equal(after[key], each) for key, each in before.items())
    shutil.rmtree(run.folder)  # it is needed no more
    scores = coterie.evaluate(new, split="validation", limit=2)
    assert list(scores.tasks) == [*NAMES, "sum"]


def test_a_tensor_that_changed_is_found(tmp_path: Path) -> None:
    old = tmp_path / "old"
    (old / "adapter").mkdir(parents=True)
    save_file({"x": torch.ones(2)}, old / "adapter" / "adapter_model.safetensors")
    frozen, new = FrozenTasks(run=str(old), names=("a",)), tmp_path / "new"
    new.mkdir()
    save_file({"x": torch.ones(2), "y": torch.ones(1)}, new / "adapter_model.safetensors")
    assert check_frozen_tensors(frozen, new) == 1
    for values in (torch.tensor([1.0, 1.0 + 2**-23]), torch.ones(3)):
        save_file({"x": values}, new / "adapter_model.safetensors")
        with pytest.raises(RuntimeError, match="do not use the new adapter"):
            check_frozen_tensors(frozen, new)


def test_what_does_not_fit(old: Run, folder: Path, tmp_path: Path) -> None:
    new, own = make_task(folder, "sum"), old.config.tasks
    assert isinstance(own, TextTasks)
    with pytest.raises(ValueError, match=r"task 'caption' is one of .* already: give the new"):
        coterie.add_tasks(old, tasks=(*own.tasks, new), out=tmp_path / "x")
    with pytest.raises(ValueError, match="like='ocr' is not for text tasks"):
        coterie.add_tasks(old, tasks=new, out=tmp_path / "x", like="ocr")
    assert not (tmp_path / "x").exists()
