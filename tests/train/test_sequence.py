"""Groups of tasks one after another: what each step trains, and where it starts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import coterie
from coterie.data.task_sampling import TaskSampling
from coterie.evaluate.sequence import list_trained_tasks
from tests.train import small

OPTIONS: dict[str, Any] = {
    "base": "", "groups": (("caption",), ("ocr",)), "steps": 2, "batch_size": 4, "progress": False
}  # fmt: skip


def learn(out: Path, **options: Any) -> list[coterie.Run]:
    given = OPTIONS | {"base": small.base(), "tasks": small.tasks(), "out": out} | options
    return coterie.train_sequence(small.plain(learning_rate=1e-2), **given)


def test_a_step_goes_on_with_the_weights_of_the_one_before(tmp_path: Path) -> None:
    first, second = learn(tmp_path)
    assert [run.folder.name for run in (first, second)] == ["step-1", "step-2"]
    assert [list_trained_tasks(run) for run in (first, second)] == [("caption",), ("ocr",)]
    assert [set(line["task_loss"]) for line in second.read_log()] == [{"ocr"}] * 2
    (stage,) = second.config.recipe.stages
    assert stage.adapter_from == str(first.folder)
    # With a step of a rate of almost 0, the second run's weights are the first's.
    recipe = small.plain(learning_rate=1e-12, tasks=("ocr",), adapter_from=str(first.folder))
    still = small.adapter(small.trained(tmp_path / "still", recipe, steps=1))
    before = small.adapter(first)
    assert before.keys() == still.keys()
    assert all(torch.allclose(still[name], before[name], atol=1e-9) for name in before)
    assert any(not torch.equal(small.adapter(second)[name], before[name]) for name in before)
    # Finished steps are not trained again.
    content = [small.content(run) for run in (first, second)]
    assert [small.content(run) for run in learn(tmp_path, resume=True)] == content


def test_replay_and_an_adapter_for_each(tmp_path: Path) -> None:
    _, second = learn(tmp_path / "replay", replay=0.25)
    (stage,) = second.config.recipe.stages
    assert stage.tasks == ("caption", "ocr") and stage.task_shares == {"caption": 0.25}
    counts = [line["samples"] for line in second.read_log()]
    assert counts[-1] == 8
    _, alone = learn(tmp_path / "alone", start="base")
    assert alone.task_names == ("ocr",) and not alone.config.recipe.stages[0].adapter_from


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": (("caption", "ocr"),)}, "give two groups or more"),
        ({"groups": (("caption",), ("caption",))}, "task 'caption' is there twice"),
        ({"groups": (("caption",), ("chart",))}, "there is no task 'chart'; the tasks are caption"),
        ({"groups": ("caption", "ocr")}, r"groups=\('caption', 'ocr'\): give a list for each step"),
        ({"groups": None}, "groups=None: give a list for each step, such as"),
        ({"start": "zero"}, "start='zero': allowed are"),
        ({"replay": 1.0}, r"replay=1.0: a share of the samples in \[0, 1\)"),
        ({"replay": 0.1, "start": "base"}, "nothing to forget"),
    ],
)
def test_what_does_not_fit(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        learn(tmp_path, **options)


def test_what_a_later_step_cannot_do_is_told_before_the_first(tmp_path: Path) -> None:
    taken = small.trained(tmp_path / "out" / "step-2", small.plain(), steps=1)
    with pytest.raises(ValueError, match="step-2' already has a run: resume it with"):
        learn(tmp_path / "out")
    first, second = small.tasks()
    (tmp_path / "bad.jsonl").write_text('{"question": "what?"}\n')
    bad = replace(second, rows={"train": str(tmp_path / "bad.jsonl")})
    with pytest.raises(ValueError, match=r"bad.jsonl:1: answer: is missing"):
        learn(tmp_path / "base", tasks=(first, bad), start="base")
    assert taken.is_finished
    assert not any((tmp_path / each / "step-1").exists() for each in ("out", "base"))


def test_a_recipe_of_several_stages_has_no_one_end(tmp_path: Path) -> None:
    given = OPTIONS | {"base": small.base(), "tasks": small.tasks(), "out": tmp_path}
    with pytest.raises(ValueError, match="'hard' has 2 stages, and a step goes on where"):
        coterie.train_sequence(small.hard(), **given)
    one = small.trained(tmp_path / "one", small.plain(), steps=1)
    other = coterie.recipes.shared_lora(rank=2)
    stage = coterie.Stage(adapter_from=str(one.folder))
    other = coterie.Recipe(name="other", mixtures=other.mixtures, stages=(stage,))
    with pytest.raises(ValueError, match="has other mixtures than this run"):
        small.trained(tmp_path / "two", other, steps=1)


def test_alternating_steps_have_the_gradients_of_single_tasks(tmp_path: Path) -> None:
    """Each step has one task's gradient: the first is that of a run on this task alone."""
    mix = TaskSampling(temperature="equal", one_task_per_batch=True)
    recipe = small.plain(learning_rate=1e-2, schedule="constant")
    both = small.trained(tmp_path / "both", recipe, steps=1, mix=mix)
    assert [set(line["task_loss"]) for line in both.read_log()] == [{"caption"}]
    one = small.plain(learning_rate=1e-2, schedule="constant", tasks=("caption",))
    alone = small.trained(tmp_path / "alone", one, steps=1)
    assert small.content(both) == small.content(alone)
    longer = small.trained(tmp_path / "longer", recipe, steps=4, mix=mix, log_every=1)
    logged = [set(line["task_loss"]) for line in longer.read_log()]
    assert logged == [{"caption"}, {"ocr"}, {"caption"}, {"ocr"}]
