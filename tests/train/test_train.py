"""`train` from rows to a run's folder: what is written, what ends it, and what it refuses."""

import errno
import json
import os
import re
import signal
from pathlib import Path

import peft
import pytest
import torch
from transformers import AutoModelForCausalLM

from coterie import serialization
from coterie.models.loading import load
from coterie.tasks.text.batches import TextCollator
from coterie.train import Run, RunConfig, checkpoint, train, train_from_config
from coterie.train.finished_stages import read_finished_stages
from coterie.train.header import describe_finished, format_count
from coterie.train.named_recipes import find_recipe
from coterie.train.trainer import MixtureTrainer
from tests.train.small import NAMES, OPTIONS, adapter, base, content, lines, plain, tasks, trained


def test_a_run(tmp_path: Path):
    run = trained(tmp_path / "run", plain(steps=7, learning_rate=3e-2), log_usage_every=2)
    log = run.read_log()
    # at the first step, every third, and the last, with use at every sixth and the last
    assert [line["step"] for line in log] == [1, 3, 6, 7]
    assert log[-1]["samples"] == 28 and log[-1]["stage_epoch"] == round(28 / 18, 4)
    assert log[-1]["loss"] < log[0]["loss"]
    assert set(log[-1]["task_loss"]) == set(NAMES)
    (layer, statistics), *rest = log[-1]["use"].items()
    shares = statistics["mean_weight"]["ocr"]
    assert layer == "model.layers.0.mlp.gate_proj" and sum(shares) == pytest.approx(1, abs=1e-5)
    assert len(rest) == 5
    assert RunConfig.read(run.folder) == run.config and run.is_finished
    assert json.loads((run.folder / "environment.jsonl").read_text())["step"] == 0
    assert list((run.folder / "events").rglob("events.out.tfevents*"))

    model = run.load().model
    plainly = AutoModelForCausalLM.from_pretrained(base())
    again = peft.PeftModel.from_pretrained(plainly, run.folder / "adapter").eval()
    ids = torch.tensor([[5, 6, 7]])
    assert torch.equal(model(input_ids=ids).logits, again(input_ids=ids).logits)
    assert not torch.equal(model(input_ids=ids).logits, run_base()(input_ids=ids).logits)

    assert content(train_from_config(run.config, out=tmp_path / "repeated")) == content(run)
    assert trained(run.folder, plain(steps=7, learning_rate=3e-2), log_usage_every=2, resume=True)


def run_base() -> torch.nn.Module:
    return AutoModelForCausalLM.from_pretrained(base()).eval()


def test_parts_of_a_step_change_nothing(tmp_path: Path):
    one = trained(tmp_path / "one", plain(steps=3, learning_rate=1e-2), log_every=1)
    two = trained(tmp_path / "two", plain(steps=3, learning_rate=1e-2), log_every=1, accumulation=4)
    for whole, parts in zip(lines(one), lines(two), strict=True):
        assert parts["loss"] == pytest.approx(whole["loss"], rel=1e-5)
        assert parts["task_loss"] == pytest.approx(whole["task_loss"], rel=1e-5)
        assert parts["gradient_norm"] == pytest.approx(whole["gradient_norm"], rel=1e-4)


def test_a_folder_with_a_run_is_left_alone(tmp_path: Path):
    trained(tmp_path, plain(steps=1))
    with pytest.raises(ValueError, match=r"already has a run: resume it with resume=True"):
        trained(tmp_path, plain(steps=1))
    with pytest.raises(
        ValueError,
        match=r"Differences \(saved, requested\): recipe.stages\[0\].steps: 1, 2; seed: 0, 3",
    ):
        trained(tmp_path, plain(steps=2), seed=3, resume=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(ValueError, match="already exists and is not a run"):
        trained(tmp_path / "other", plain(steps=1))
    assert [each.name for each in (tmp_path / "other").iterdir()] == ["file"]  # and no lock
    with pytest.raises(ValueError, match=r"is not a run: it has no run\.json"):
        Run.read(tmp_path / "other")
    with pytest.raises(ValueError, match=r"has no setting 'epochs'; its settings are mix, seed"):
        trained(tmp_path / "new", plain(), epochs=3)
    with pytest.raises(ValueError, match=r"no setting 'bach_size' \(did you mean batch_size\?\)"):
        trained(tmp_path / "new", plain(), bach_size=4)
    for given, said in (
        ({"steps": "3"}, "steps takes int"),
        ({"seed": 1.5}, "seed takes int, not"),
    ):
        with pytest.raises(ValueError, match=said):
            trained(tmp_path / "new", plain(), **given)


def test_names_and_paths_as_on_the_command_line(tmp_path: Path, capsys):
    folder = Path(tasks()[0].folder)
    lines = [f"  - {{name: {name}, rows: {{train: {name}-train.jsonl}}}}" for name in NAMES]
    (folder / "tasks.yaml").write_text("\n".join(["tasks:", *lines]))
    (tmp_path / "recipe.json").write_text(serialization.dumps(plain(steps=4)))
    options = {"base": base(), "tasks": str(folder / "tasks.yaml")} | OPTIONS | {"progress": None}
    run = train(str(tmp_path / "recipe.json"), out=tmp_path / "run", **options)
    assert run.config.recipe == plain(steps=4) and run.task_names == NAMES
    said = capsys.readouterr().err.splitlines()
    notes = [said.pop(0) for _ in NAMES]
    assert all(each.startswith("note: task") and "no test rows" in each for each in notes)
    # Two layers of three maps, 32 x 64 each: ranks 2 + 2, and two logits for each of 32 inputs of
    # the first two maps, 64 of the third.
    trained_count = 2 * (3 * 4 * (32 + 64) + 2 * (32 + 32 + 64))
    total = sum(each.numel() for each in run.load(device="cpu").model.parameters())
    assert said[:3] == [
        f"recipe plain on {base()}, float32, cpu",
        "training samples: caption 12, ocr 6",
        "stage 1 of 1, train: 4 steps of 4 samples, learning rate 0.0001; trains "
        f"{format_count(trained_count)} of {format_count(total)} parameters "
        f"({100 * trained_count / total:.3g} %)",
    ]
    assert re.fullmatch(
        r"train: step 3 of 4, loss [\d.]+ \(caption [\d.]+, ocr [\d.]+\), [\d.e+]+ samples/s, "
        r"about \d+ s left", said[3]
    ), said  # fmt: skip
    assert len(said) == 4
    assert find_recipe(run.folder) == plain(steps=4)
    assert re.fullmatch(
        r"trained 4 steps; loss [\d.]+ at step 1, [\d.]+ at step 4", describe_finished(run)
    )


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"recipe": "moelra"}, r"'moelra' is no recipe \(did you mean moelora"),
        ({"tasks": "task.yaml"}, "task.yaml cannot be read"),
        ({"base": torch.nn.Linear(1, 1)}, "base is a Linear, .*: give its folder or hub id, or"),
    ],
)
def test_other_kinds_of_arguments(wrong, said, tmp_path: Path, unchecked):
    given = {"recipe": plain(), "base": base(), "tasks": tasks(), "out": tmp_path} | wrong
    with pytest.raises(ValueError, match=said):
        train(**given)


def test_no_number_ends_the_run_and_names_the_tasks(tmp_path: Path, monkeypatch):
    real, calls = MixtureTrainer._check_finite, []

    def broken(self, loss, inputs):
        calls.append(loss)
        real(self, loss.detach() * float("nan") if len(calls) == 4 else loss, inputs)

    monkeypatch.setattr(MixtureTrainer, "_check_finite", broken)
    with pytest.raises(
        FloatingPointError, match=r"stage 'train', step 4: the loss is nan in a batch of"
    ) as e:
        trained(tmp_path, plain(steps=9))
    assert "caption, ocr; the last good checkpoint is" in str(e.value)
    assert checkpoint.get_step(checkpoint.find_latest(tmp_path / "checkpoints" / "1-train")) == 2
    with pytest.raises(ValueError, match="is not finished: go on with"):
        Run.read(tmp_path).load()


def test_weights_without_number_are_not_saved(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(MixtureTrainer, "_check_finite", lambda *args: None)
    real = MixtureTrainer.compute_loss
    monkeypatch.setattr(
        MixtureTrainer, "compute_loss", lambda *args, **more: real(*args, **more) * float("nan")
    )
    with pytest.raises(FloatingPointError, match=r"a weight is not finite .* there is no check"):
        trained(tmp_path, plain(steps=2))
    assert checkpoint.find_latest(tmp_path / "checkpoints" / "1-train") is None


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path: Path, monkeypatch):
    real, calls = checkpoint.save_state, []

    def full(*args):
        calls.append(args)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(*args)

    monkeypatch.setattr(checkpoint, "save_state", full)
    with pytest.raises(OSError, match=r"checkpoint-4 cannot be written: No space .*checkpoint-2"):
        trained(tmp_path, plain(steps=6))
    assert [path.name for path in (tmp_path / "checkpoints" / "1-train").iterdir()] == [
        "checkpoint-2"
    ]
    assert trained(tmp_path, plain(steps=6), resume=True).is_finished


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path: Path, monkeypatch):
    whole = trained(tmp_path / "whole", plain(steps=6))
    real, calls = MixtureTrainer.compute_loss, []

    def pressed(*args, **more):
        calls.append(args)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return real(*args, **more)

    monkeypatch.setattr(MixtureTrainer, "compute_loss", pressed)
    with pytest.raises(KeyboardInterrupt, match="stopped after step 3, which is saved; go on"):
        trained(tmp_path / "cut", plain(steps=6))
    run = trained(tmp_path / "cut", plain(steps=6), resume=True)
    assert content(run) == content(whole) and lines(run) == lines(whole)
    # Within the last step: the run is finished, and what would follow, as in a study, is not.
    calls.clear()
    with pytest.raises(KeyboardInterrupt, match="stopped; the run is finished"):
        trained(tmp_path / "last", plain(steps=3))
    assert trained(tmp_path / "last", plain(steps=3), resume=True).is_finished


def test_patience_goes_back_to_the_best_weights(tmp_path: Path):
    # Far too fast to learn: validation soon gets worse.
    options = {"patience": 2, "evaluate_every": 1, "log_every": 1, "save_every": 50}
    recipe = plain(steps=60, learning_rate=3.0, schedule="constant")
    run = trained(tmp_path, recipe, **options)
    means = [sum(line["validation_loss"].values()) / 2 for line in run.read_log()]
    best = min(range(len(means)), key=means.__getitem__)
    assert len(means) == best + 3 < 60
    (done,) = read_finished_stages(run.directory)
    assert done.steps == len(means) and done.weights_folder.endswith("/best")


def test_the_hosts_own_weights_come_with_the_adapter(tmp_path: Path):
    recipe = plain(steps=2, trains=("gates", r"model\.norm\.weight"), learning_rate=0.1)
    run = trained(tmp_path, recipe, precision="bfloat16")
    saved = adapter(run)
    assert saved["base_model.model.model.norm.weight"].dtype == torch.float32
    host = AutoModelForCausalLM.from_pretrained(base())
    before = host.model.norm.weight.detach().clone()
    peft.PeftModel.from_pretrained(host, run.folder / "adapter")
    assert not torch.equal(host.model.norm.weight, before)
    # experts did not learn: their up-projections are still 0
    assert all(w.abs().max() == 0 for name, w in saved.items() if name.endswith("experts.up"))


def test_parts_learn_at_rates_of_their_own(tmp_path: Path):
    recipe = plain(
        steps=1,
        trains=("adapter", r"model\.norm\.weight"),
        learning_rate=1e-2,
        learning_rates={"host": 1e-1},
        schedule="constant",
    )
    saved = adapter(trained(tmp_path, recipe))
    # Adam's first step is the learning rate, up or down; projections up begin at 0, norms at 1
    ups = torch.cat([w.flatten() for name, w in saved.items() if name.endswith("experts.up")])
    assert ups.abs().max().item() == pytest.approx(1e-2, rel=1e-3)
    moved = (saved["base_model.model.model.norm.weight"] - 1).abs()
    assert moved.max().item() == pytest.approx(1e-1, rel=1e-3)


def test_long_samples_are_counted(tmp_path: Path):
    collate = TextCollator(load(base()).processor, NAMES)
    rows = [row for task in tasks() for row in task.read_samples("train")]
    lengths = collate(rows)["attention_mask"].sum(1).tolist()
    half = sorted(lengths)[len(lengths) // 2]
    with pytest.raises(
        ValueError, match=r"nothing is cut, so shorten it, or give a larger max_length"
    ):
        trained(tmp_path / "error", plain(steps=6), max_length=half)
    # 6 steps of 4 samples pass over all 18 rows
    run = trained(tmp_path / "skip", plain(steps=6), max_length=half, skip_bad_rows=True)
    bad = [json.loads(line) for line in (run.folder / "bad_rows.jsonl").read_text().splitlines()]
    assert len(bad) == len({row["source"] for row in bad}) == sum(n > half for n in lengths)
    assert all(f"max_length is {half}" in row["reason"] for row in bad)
