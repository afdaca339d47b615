"""New tasks of a run on pictures learn, and its own tasks stay as they are, bit for bit."""

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import coterie
from coterie import Run, recipes
from coterie.recipe import Recipe
from coterie.tasks import TextTask
from coterie.train.inputs import BASE_WEIGHTS, read_input_digests, write_input_digests
from coterie.train.trainer import MixtureTrainer
from tests.train import small
from tests.train.gallery import OPTIONS, Gallery, experts, learned
from tests.train.small import content

OLD = ("grey", "half")
LAYER = "base_model.model.backbone.layers.0.mlp.coterie_"
WANTED = OPTIONS | {"steps": 4, "learning_rate": 1e-2, "batch_size": 12}
RECIPES: dict[str, Recipe] = {
    "experts": experts(weight_decay=0.1),
    "dense": recipes.dense(learning_rate=1e-3),
}


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("old")
    pictures = Gallery(names=OLD)
    return {
        name: learned(folder / name, recipe, pictures, steps=2) for name, recipe in RECIPES.items()
    }


@torch.no_grad()
def answers(run: Run) -> dict[str, Tensor]:
    """What a run's model says for the old tasks, one at a time."""
    pixels = torch.randn(2, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    model = run.load().model
    return {name: model(pixel_values=pixels, tasks=(name,)).predictions[name] for name in OLD}


def weights(run: Run) -> dict[str, Tensor]:
    return run.load().model.state_dict()


@pytest.mark.parametrize("name", RECIPES)
def test_the_old_tasks_stay_and_the_new_one_learns(
    name: str, old: dict[str, Run], tmp_path: Path
) -> None:
    run = old[name]
    new = coterie.add_tasks(run, tasks=Gallery(), out=tmp_path / "new", **WANTED)
    assert (
        new.task_names == (*OLD, "light")
        and new.config.recipe.name == f"{run.config.recipe.name}+light"
    )
    wanted, found = answers(run), answers(new)
    assert all(torch.equal(found[task], wanted[task]) for task in OLD)
    losses = [line["task_loss"] for line in new.read_log()]
    assert all(list(each) == ["light"] for each in losses)
    assert losses[-1]["light"] < losses[0]["light"]
    # Only rows and heads of the new task differ from what there was, but not from each other.
    before, after = weights(run), weights(new)
    vectors = "base_model.model.embeddings.32"
    assert torch.equal(after[vectors][:2], before[vectors]) and after[vectors].shape == (3, 32)
    same = {key for key in before if before[key].shape == after[key].shape}
    assert all(torch.equal(after[key], before[key]) for key in same)
    grown = {key for key in before if key not in same}
    assert grown == {vectors} | {key for key in before if "coterie_gate" in key}
    assert all(torch.equal(after[key][:2], before[key]) for key in grown)
    if name == "experts":
        gate = f"{LAYER}gate.default.weight"
        assert not torch.equal(after[gate][2], before[gate].mean(0))


def test_it_is_a_run_as_any_other(old: dict[str, Run], tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    shutil.copytree(old["experts"].folder, parent)
    new = coterie.add_tasks(parent, tasks=Gallery(), out=tmp_path / "new", like="half", **WANTED)
    shutil.rmtree(parent)  # it is needed no more
    scores = coterie.evaluate(new, split="validation")
    assert list(scores.tasks) == ["grey", "half", "light"]
    again = coterie.train(
        new.config.recipe, base=new.config.base, tasks=new.config.tasks, out=new.folder,
        resume=True,
        **WANTED,
    )  # fmt: skip
    assert again.config == new.config


def test_a_run_that_was_cut_off_goes_on(
    old: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def adopted(name: str, **more) -> Run:
        options = WANTED | more
        return coterie.add_tasks(old["experts"], tasks=Gallery(), out=tmp_path / name, **options)

    whole, real, calls = adopted("whole"), MixtureTrainer.compute_loss, []

    def pressed(*args, **more):
        calls.append(args)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return real(*args, **more)

    with monkeypatch.context() as patched:
        patched.setattr(MixtureTrainer, "compute_loss", pressed)
        with pytest.raises(KeyboardInterrupt, match="stopped after step 3"):
            adopted("cut")
    assert content(adopted("cut", resume=True)) == content(whole)


def test_experts_may_learn_too(old: dict[str, Run], tmp_path: Path) -> None:
    run = old["experts"]
    new = coterie.add_tasks(
        run, tasks=Gallery(), out=tmp_path, experts=True, **WANTED | {"steps": 1}
    )
    before, after = weights(run), weights(new)
    stack = f"{LAYER}experts.default.fc1__weight"
    assert not torch.equal(after[stack], before[stack])
    gate = f"{LAYER}gate.default.weight"
    assert torch.equal(after[gate][:2], before[gate])


def test_what_does_not_fit(old: dict[str, Run], tmp_path: Path) -> None:
    run = old["experts"]
    with pytest.raises(ValueError, match=r"names=\('grey', 'half', \.\.\.\)"):
        coterie.add_tasks(run, tasks=Gallery(names=("light",)), out=tmp_path / "x")
    with pytest.raises(ValueError, match=r"tasks=\['grey', 'half'\]: give a data set"):
        coterie.add_tasks(run, tasks=Gallery(names=OLD), out=tmp_path / "x")
    with pytest.raises(ValueError, match="initialize_from='light': give one of grey, half"):
        coterie.add_tasks(run, tasks=Gallery(), out=tmp_path / "x", like="light")
    assert not (tmp_path / "x").exists()


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("text")
    shutil.copytree(small.base(), folder / "base")
    return coterie.train(
        small.plain(), base=folder / "base", tasks=small.tasks(), out=folder / "run", steps=1,
        **small.OPTIONS,
    )  # fmt: skip


def grow(run: Run | Path, folder: Path, **given: Any) -> Run:
    (folder / "rows.jsonl").write_text('{"question": "what is 1?", "answer": "one"}\n')
    task = TextTask(name="number", rows={"train": "rows.jsonl"}, folder=str(folder))
    return coterie.add_tasks(
        run, tasks=task, out=folder / "new", steps=1, **({"progress": False} | given)
    )


def copy(run: Run, folder: Path) -> Path:
    shutil.copytree(run.folder, folder / "copy")
    return folder / "copy" / "adapter" / "adapter_model.safetensors"


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (20, "adapter_model.safetensors is damaged"),  # in the header
        (-1, "was changed or damaged since training: adapter_model.safetensors is not as it was"),
    ],
)
def test_a_damaged_run_is_told_before_training(
    place: int, said: str, text: Run, tmp_path: Path
) -> None:
    file = copy(text, tmp_path)
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match=said):
        grow(tmp_path / "copy", tmp_path)
    assert not (tmp_path / "new").exists()


def test_another_base_model_than_in_training_is_refused(text: Run, tmp_path: Path) -> None:
    copy(text, tmp_path)
    run = Run.read(tmp_path / "copy")
    digests = read_input_digests(run.directory)
    write_input_digests(run.directory, {**digests, BASE_WEIGHTS: "another"})
    said = r"the weights of the base model in .*base changed since .*copy was trained, so that"
    with pytest.raises(ValueError, match=said):
        grow(run, tmp_path)
    assert not (tmp_path / "new").exists()


def test_a_base_model_that_was_moved(text: Run, tmp_path: Path) -> None:
    own, moved = Path(text.config.base), tmp_path / "moved"
    own.rename(moved)
    try:
        with pytest.raises(ValueError, match=r"base, which is not there: if it was moved, give"):
            grow(text, tmp_path)
        with pytest.raises(ValueError, match=r"is not there, and .*small is not the same model"):
            grow(text, tmp_path, base=make_other(tmp_path / "small"))
        assert grow(text, tmp_path, base=moved).config.base == str(moved)
    finally:
        moved.rename(own)


def make_other(folder: Path) -> Path:
    shutil.copytree(small.base(), folder)
    (folder / "config.json").write_text((folder / "config.json").read_text() + "\n")
    return folder


def test_rows_and_connectors_that_are_not_there(text: Run, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"connectors=True: .* has no connectors beside those"):
        grow(text, tmp_path, connectors=True)
    own: Any = text.config.tasks
    gone = replace(own, tasks=tuple(replace(each, folder="/nowhere") for each in own.tasks))
    run = Run(text.folder, replace(text.config, tasks=gone))
    with pytest.raises(ValueError, match=r"rows in /nowhere/caption-train.jsonl, which is not "):
        grow(run, tmp_path)
    with pytest.raises(ValueError, match="a run grows by tasks of its own kind"):
        coterie.add_tasks(text, tasks=Gallery(), out=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_settings_that_change_the_old_answers_are_refused(text: Run, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"precision='bfloat16', and .*run has 'float32': its ta"):
        grow(text, tmp_path, precision="bfloat16")
    with pytest.raises(ValueError, match=r"max_pixels=100, and .*run has None: its tasks would"):
        grow(text, tmp_path, max_pixels=100)
    with pytest.raises(ValueError, match="tasks is empty: give a task or more"):
        coterie.add_tasks(text, tasks=[], out=tmp_path / "new")
    assert not (tmp_path / "new").exists()
