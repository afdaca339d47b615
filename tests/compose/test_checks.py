"""Each reason why runs are no one model."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import coterie
from coterie import Lora, Mixture, TokenGate
from coterie.recipe import Recipe
from coterie.recipes import shared_lora
from coterie.tasks import TextTasks
from coterie.train import Run
from coterie.train.inputs import BASE_WEIGHTS, read_input_digests, write_input_digests
from tests.compose import runs


def compose(other: Run, tmp_path: Path, **given: Any) -> Run:
    """The run on pictures, composed with another."""
    return coterie.compose([runs.naive("pictures"), other], out=tmp_path / "composed", **given)


def copy(tmp_path: Path) -> Run:
    """A copy of the run on speech, to be changed."""
    shutil.copytree(runs.naive("speech").folder, tmp_path / "copy")
    return Run.read(tmp_path / "copy")


def test_another_base_model(tmp_path: Path) -> None:
    run = copy(tmp_path)
    digests = read_input_digests(run.directory)
    write_input_digests(run.directory, {**digests, BASE_WEIGHTS: "another"})
    with pytest.raises(ValueError, match=r"the weights of the base model differ. Give base="):
        compose(run, tmp_path)


def test_a_base_model_that_was_replaced_since(tmp_path: Path) -> None:
    both = [tmp_path / name for name in ("pictures", "speech")]
    for folder in both:
        shutil.copytree(runs.naive(folder.name).folder, folder)
        run = Run.read(folder)
        digests = read_input_digests(run.directory)
        write_input_digests(run.directory, {**digests, BASE_WEIGHTS: "an earlier one"})
    with pytest.raises(ValueError, match=r"changed since .*pictures was trained, so that its"):
        coterie.compose(both, out=tmp_path / "composed")
    assert not (tmp_path / "composed").exists()


def test_a_base_model_and_rows_that_were_moved(tmp_path: Path) -> None:
    base = shutil.copytree(runs.naive("speech").config.base, tmp_path / "base")
    found = []
    for name in ("pictures", "speech"):
        run = runs.naive(name)
        tasks: Any = run.config.tasks
        gone = replace(tasks, tasks=tuple(replace(each, folder="/gone") for each in tasks.tasks))
        found.append(Run(run.folder, replace(run.config, base="/gone/base", tasks=gone)))
    both = runs.select("pictures", "speech")
    with pytest.raises(ValueError, match="/gone/base, which is not there: if it was moved, give"):
        coterie.compose(found, out=tmp_path / "composed", tasks=both)
    with pytest.raises(ValueError, match=r"rows in /gone/colour.jsonl, which is not there"):
        coterie.compose(found, out=tmp_path / "composed", base=base)
    run = coterie.compose(found, out=tmp_path / "composed", base=base, tasks=both)
    assert (run.config.base, run.config.tasks) == (str(base), both)


def test_a_base_model_that_nobody_can_tell(tmp_path: Path) -> None:
    run = copy(tmp_path)
    run.directory.inputs_file.unlink()
    moved = Run(run.folder, replace(run.config, base="nobody/knows"))
    with pytest.raises(ValueError, match=r"and .*copy on nobody/knows: the bases differ"):
        compose(moved, tmp_path)


def test_another_precision(tmp_path: Path) -> None:
    run = copy(tmp_path)
    other = Run(run.folder, replace(run.config, precision="bfloat16"))
    with pytest.raises(ValueError, match=r"has precision='float32' and .*copy has 'bfloat16'"):
        compose(other, tmp_path)


def test_another_kind_of_gate(tmp_path: Path) -> None:
    mixture = Mixture(at="text.mlp", experts=Lora(ranks=(2, 2)), gate=TokenGate())
    run = runs.train("words", Recipe(name="routed", mixtures=(mixture,)), steps=1)
    with pytest.raises(ValueError, match=r"has a TokenGate at 'text.mlp': exact compositions are"):
        compose(run, tmp_path)


def test_a_run_that_is_not_finished(tmp_path: Path) -> None:
    run = copy(tmp_path)
    shutil.rmtree(run.directory.adapter_folder)
    with pytest.raises(ValueError, match="is not finished"):
        compose(run, tmp_path)


def test_a_damaged_run(tmp_path: Path) -> None:
    run = copy(tmp_path)
    file = run.directory.adapter_folder / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text())))
    with pytest.raises(ValueError, match="was changed or damaged since training"):
        compose(run, tmp_path)


def test_rows_that_are_gone(tmp_path: Path) -> None:
    run, task = copy(tmp_path), runs.select("speech").tasks[0]
    tasks = TextTasks(tasks=(replace(task, folder=str(tmp_path / "gone")),))
    with pytest.raises(ValueError, match="which is not there: if it was moved"):
        compose(Run(run.folder, replace(run.config, tasks=tasks)), tmp_path)


def test_different_tasks_of_one_name(tmp_path: Path) -> None:
    run, task = copy(tmp_path), runs.select("speech").tasks[0]
    tasks = TextTasks(tasks=(replace(task, name="colour"),))
    other = Run(run.folder, replace(run.config, tasks=tasks))
    with pytest.raises(ValueError, match=r"task 'colour' of .*copy is another .* give tasks="):
        compose(other, tmp_path)
    assert compose(other, tmp_path, tasks=runs.select("speech")).task_names == ("pitch",)


def test_one_task_of_both_runs_stands_once(tmp_path: Path) -> None:
    other = runs.train("pictures", shared_lora(rank=3), seed=5, steps=1)
    run = compose(other, tmp_path)
    assert run.task_names == ("colour",)
    gate: Any = run.config.recipe.mixtures[0].gate
    assert gate.weights == {"text": (0.5, 0.5)}  # both own pictures


def test_dense_tasks(tmp_path: Path) -> None:
    from tests.train.gallery import Gallery, experts, learned

    run = learned(tmp_path / "dense", experts(), Gallery(names=("grey", "half")), steps=1)
    with pytest.raises(ValueError, match="was trained on DenseTasks, and compose is for tasks"):
        compose(run, tmp_path)
