"""Training on a dense data set goes the same way as on words, and ends in a model of its tasks."""

import json
import math
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import coterie
from coterie import Mixture, Recipe, Stage, TaskGate, recipes
from coterie.experts.lora import Lora
from coterie.models.multitask_vision.fusions.mean import MeanFusion
from coterie.models.multitask_vision.heads import LinearHead
from coterie.models.multitask_vision.modeling import MultiTaskVisionModel
from coterie.tasks.dense.augment import Augment
from coterie.tasks.dense.collator import DenseCollator
from coterie.tasks.dense.kinds.depth import Depth
from coterie.tasks.dense.kinds.regression import Regression
from coterie.tasks.dense.sensor import IMAGE, Sensor
from coterie.tasks.dense.task_set import DenseTasks
from coterie.tasks.dense.vision_config import VisionConfig
from coterie.tasks.losses import compute_objective, sum_by_task
from coterie.train import Run, RunConfig, checkpoint
from coterie.train.frozen_caches import precompute_caches
from coterie.train.trainer import MixtureTrainer
from tests.train.gallery import TASKS, Gallery, base, experts, learned
from tests.train.small import adapter, content, lines

SMALL = {"mlp": (3, 2), "attention": (3, 2)}
RECIPES: dict[str, Callable[[], Recipe]] = {
    "dense": recipes.dense,
    "m3vit": lambda: recipes.m3vit(experts=3, active=2),
    "m3vit from scratch": lambda: recipes.m3vit(experts=3, active=2, pretrained=False),
    "mod_squad": lambda: recipes.mod_squad(**SMALL),
    "mod_squad from scratch": lambda: recipes.mod_squad(**SMALL, pretrained=False, released=True),
    "plain_moe": lambda: recipes.plain_moe(**SMALL),
}


def said(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """What a model predicts of two pictures."""
    pixels = torch.randn(2, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return model(pixel_values=pixels).predictions


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_train_and_come_back(name: str, tmp_path: Path, monkeypatch) -> None:
    models = []
    real = MixtureTrainer.train

    def kept(self, *args, **more):
        models.append(self.stage_context.model)
        return real(self, *args, **more)

    monkeypatch.setattr(MixtureTrainer, "train", kept)
    vision = VisionConfig(pretrained="scratch" not in name)
    run = learned(tmp_path / "run", RECIPES[name](), steps=2, vision=vision)
    loaded = run.load()
    host = loaded.model.get_base_model()
    assert isinstance(host, MultiTaskVisionModel) and isinstance(loaded.processor, DenseCollator)
    wanted = said(models[0].eval())
    for task, answer in said(loaded.model).items():
        torch.testing.assert_close(answer, wanted[task], rtol=0, atol=0)
    # All of it has learned: what the run began with says something else.
    began = said(run.config.load_base().model)
    assert not any(torch.equal(wanted[task], began[task]) for task in wanted)
    assert RunConfig.read(run.folder) == run.config and Run.read(run.folder).task_names == tuple(
        TASKS
    )


def test_it_learns_what_can_be_learned(tmp_path: Path) -> None:
    recipe = experts(schedule="constant", learning_rate=3e-3)
    run = learned(tmp_path, recipe, steps=30, log_every=10, save_every=30)
    first, *_, last = (line["task_loss"] for line in run.read_log())
    assert set(first) == set(last) == set(TASKS)
    assert all(last[name] < 0.7 * first[name] for name in TASKS)


def test_beside_a_large_epsilon_gradients_move_little(tmp_path: Path) -> None:
    # A step of AdamW is at most the learning rate times |gradient| / epsilon, of gradients cut at
    # a norm of 1: 1e-9.
    stage = Stage(trains=("host",), steps=1, learning_rate=1.0, epsilon=1e9)
    run = learned(tmp_path, Recipe(mixtures=(), stages=(stage,)))
    began, ended = (
        said(run.config.load_base().model),
        said(run.load().model),
    )
    for task, answer in ended.items():
        torch.testing.assert_close(answer, began[task], rtol=0, atol=1e-4)


def test_use_is_told_for_each_task(tmp_path: Path) -> None:
    (*_, line) = learned(tmp_path, experts(), steps=2).read_log()
    # The layers with a mixture: two of attention, two of MLPs.
    assert len(line["use"]) == 4
    assert all(set(each["mean_weight"]) == set(TASKS) for each in line["use"].values())
    assert line["stage_epoch"] == round(2 * 4 / 12, 4) and line["samples"] == 8
    assert "MutualInformation" in line["routing_loss"]
    # The last step's; as a loss it is minus the sum over layers, times a weight, of both steps.
    assert all(0 <= nats <= math.log(3) for nats in line["information"].values())
    assert len(line["information"]) == 4


def test_information_is_told_where_no_loss_asks_for_it(tmp_path: Path) -> None:
    (line,) = learned(tmp_path, recipes.plain_moe(**SMALL), steps=1, log_usage_every=0).read_log()
    assert len(line["information"]) == 4 and "use" not in line


HARD = {
    "steps": 6, "accumulation": 2, "evaluate_every": 3, "patience": 9,
    "vision": VisionConfig(
        size=(35, 35), augment=Augment(crop=(28, 28), scale=(0.8, 1.2), degrees=10.0)
    ),
}  # fmt: skip


def pressed(monkeypatch, call: int) -> None:
    """Ctrl-C within a part of a step."""
    real, calls = MixtureTrainer.compute_loss, []

    def wrapped(*args, **more):
        calls.append(args)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGINT)
        return real(*args, **more)

    monkeypatch.setattr(MixtureTrainer, "compute_loss", wrapped)


def test_a_run_that_was_cut_off_ends_with_the_same_bits(tmp_path: Path, monkeypatch) -> None:
    recipe = experts(weight_decay=0.1, warmup=0.2)
    whole = learned(tmp_path / "whole", recipe, **HARD)
    with monkeypatch.context() as patched:
        pressed(patched, 5)
        with pytest.raises(KeyboardInterrupt, match="stopped after step 3"):
            learned(tmp_path / "cut", recipe, **HARD)
    torch.manual_seed(7)  # whatever the process that goes on has drawn before
    again = learned(tmp_path / "cut", recipe, resume=True, **HARD)
    assert content(again) == content(whole) and lines(again) == lines(whole)
    validated = [line["validation_loss"] for line in lines(whole) if "validation_loss" in line]
    assert len(validated) == 2 and set(validated[0]) == set(TASKS)


def test_bfloat16_trains_resumes_and_scores_with_losses_in_float32(
    tmp_path: Path, monkeypatch
) -> None:
    seen: dict[str, set[torch.dtype]] = {"said": set(), "loss": set(), "routing": set()}
    head, real, routing = (
        LinearHead.forward,
        Regression.compute_loss,
        MixtureTrainer._compute_routing_losses,
    )

    def forward(self, x):
        found = head(self, x)
        seen["said"].add(found.dtype)
        return found

    def loss(self, prediction, label):
        found = real(self, prediction, label)
        seen["loss"] |= {prediction.dtype, found.dtype}
        return found

    def told(self, tape):
        found = routing(self, tape)
        seen["routing"] |= {each.dtype for each in found}
        for each in tape.values():
            seen["routing"] |= {each.probs.dtype, each.weights.dtype, each.logits.dtype}
        return found

    monkeypatch.setattr(LinearHead, "forward", forward)
    monkeypatch.setattr(Regression, "compute_loss", loss)
    monkeypatch.setattr(MixtureTrainer, "_compute_routing_losses", told)
    low = {"steps": 2, "precision": "bfloat16", "evaluate_every": 2, "log_every": 1}
    whole = learned(tmp_path / "whole", experts(), **low)
    assert seen == {
        "said": {torch.bfloat16}, "loss": {torch.float32}, "routing": {torch.float32}
    }  # fmt: skip
    with monkeypatch.context() as patched:
        pressed(patched, 1)
        with pytest.raises(KeyboardInterrupt, match="stopped after step 1"):
            learned(tmp_path / "cut", experts(), **low)
    again = learned(tmp_path / "cut", experts(), resume=True, **low)
    assert content(again) == content(whole) and lines(again) == lines(whole)
    # What learns does so in float32, and is kept so; a model that is loaded is in bfloat16.
    assert {each.dtype for each in adapter(whole).values()} == {torch.float32}
    host = whole.load().model.get_base_model()
    assert {each.dtype for each in host.embeddings.values()} == {torch.bfloat16}
    assert {each.dtype for each in host.heads.parameters()} == {torch.bfloat16}
    scored = coterie.evaluate(whole, split="validation").tasks["grey"]
    # The mean error of three pictures, which validation looked at with the weights in float32;
    # bfloat16 has 8 bits, and an error here comes of values below 2.
    last = whole.read_log()[-1]["validation_loss"]["grey"] / TASKS["grey"].weight
    assert scored.score == pytest.approx(last, abs=2 * 2**-8)


def test_checkpointing_changes_no_bit_of_a_run(tmp_path: Path) -> None:
    plain = learned(tmp_path / "plain", experts(), steps=2)
    checkpointed = learned(tmp_path / "less", experts(), steps=2, gradient_checkpointing=True)
    assert content(checkpointed) == content(plain) and lines(checkpointed) == lines(plain)


def test_parts_of_a_step_change_nothing(tmp_path: Path) -> None:
    recipe = Recipe(mixtures=(), stages=(Stage(trains=("host",), steps=2),))
    one = learned(tmp_path / "one", recipe, log_every=1)
    two = learned(tmp_path / "two", recipe, log_every=1, accumulation=4)
    for all_at_once, parts in zip(lines(one), lines(two), strict=True):
        assert parts["loss"] == pytest.approx(all_at_once["loss"], rel=1e-5)
        assert parts["task_loss"] == pytest.approx(all_at_once["task_loss"], rel=1e-5)
        assert parts["gradient_norm"] == pytest.approx(all_at_once["gradient_norm"], rel=1e-4)


def batch_of(config: RunConfig, count: int) -> dict:
    [rows] = config.tasks.load_datasets("train")
    collator = config.make_collator(config.load_base().processor)
    return collator([rows[i] for i in range(count)])


def test_losses_are_of_labels_that_are_there_times_weights() -> None:
    config = RunConfig(recipe=recipes.dense(), base=base(), tasks=DenseTasks(dataset=Gallery()))
    lesson, model, batch = config.tasks, config.load_base().model, batch_of(config, 4)
    found = lesson.compute_losses(model, model, batch)
    # Pictures 0 and 3 have no label of the second task.
    assert found.task_ids.tolist() == [0, 0, 0, 0, 1, 1, 2, 2, 2, 2]
    assert lesson.count_items(batch) == 4 and lesson.get_task_names(batch) == [
        "grey",
        "half",
        "light",
    ]
    grey = TASKS["grey"].compute_loss(
        model(pixel_values=batch["pixel_values"]).predictions["grey"], batch["labels"]["grey"]
    )
    torch.testing.assert_close(found.losses[:4], 2.0 * grey)
    alone = batch_of(config, 1)
    assert set(alone["labels"]) == {"grey", "light"}
    lesson.compute_losses(model, model, alone).losses.sum().backward()
    assert all(each.grad is not None for each in model.heads.parameters())


def test_sigmas_get_gradients_and_the_loss_is_a_sum_over_tasks() -> None:
    plan = RunConfig(
        recipe=recipes.dense(),
        base=base(),
        tasks=DenseTasks(dataset=Gallery(names=("grey", "light"))),
    )
    lesson, balancing = plan.tasks, plan.recipe.balancing.build(2)
    model, batch = plan.load_base().model, batch_of(plan, 4)
    sums = sum_by_task(lesson.compute_losses(model, model, batch), 2)
    loss = compute_objective(sums, balancing, float(lesson.count_items(batch)))
    # sigma = 1: half of each task's mean, and log(1 + 1) for each of two tasks.
    wanted = 0.5 * (sums.sums / 4).sum() + 2 * torch.tensor(2.0).log()
    torch.testing.assert_close(loss, wanted)
    loss.backward()
    assert balancing.sigma.grad is not None and bool((balancing.sigma.grad != 0).all())


def test_sigmas_move(tmp_path: Path) -> None:
    run = learned(tmp_path, experts(), steps=2)
    tensors, _ = checkpoint.load_state(checkpoint.find_latest(tmp_path / "checkpoints" / "1-train"))
    assert bool((tensors["balancing.sigma"] != 1).all()) and run.is_finished


def test_heads_and_vectors_learn_whatever_a_stage_trains(tmp_path: Path) -> None:
    lora = Mixture(at="vision.mlp", experts=Lora(ranks=(2, 2)), gate=TaskGate())
    recipe = Recipe(mixtures=(lora,), stages=(Stage(learning_rate=1e-2),))
    run = learned(tmp_path, recipe, steps=2)
    host = {name for name in adapter(run) if ".coterie_" not in name}
    assert host == {f"base_model.model.{name}" for name in (
        "embeddings.32", "heads.0.linear.weight", "heads.0.linear.bias", "heads.1.linear.weight",
        "heads.1.linear.bias", "heads.2.fc_norm.weight", "heads.2.fc_norm.bias",
            "heads.2.norm.weight", "heads.2.norm.bias", "heads.2.linear.weight",
        "heads.2.linear.bias",
    )}  # fmt: skip
    began = run.config.load_base().model
    assert not torch.equal(run.load().model.get_base_model().heads[0].linear.weight,
                           began.heads[0].linear.weight)  # fmt: skip


def test_damaged_pictures_are_left_out_and_named(tmp_path: Path, capsys) -> None:
    pictures = Gallery(num_damaged=2)
    with pytest.raises(ValueError, match="2 bad samples"):
        learned(tmp_path, recipes.dense(), pictures, steps=1)
    # Nothing was trained yet, so the same folder takes what was asked for instead.
    options = {"steps": 1, "skip_bad_rows": True, "evaluate_every": 1, "progress": True}
    run = learned(tmp_path, recipes.dense(), pictures, **options)
    # Two of training, and two of the three that are looked at.
    assert f"left out 4 bad rows, named in {tmp_path}/bad_rows.jsonl" in capsys.readouterr().err
    assert [row.source for row in run.read_bad_rows()] == [f"picture {i}" for i in (0, 1, 12, 13)]
    assert all(row.field == "grey" for row in run.read_bad_rows())
    bad = [json.loads(line) for line in (run.folder / "bad_rows.jsonl").read_text().splitlines()]
    assert bad == [vars(row) for row in run.read_bad_rows()]
    assert run.read_log()[-1]["stage_epoch"] == 0.4  # 4 of the 10 that are good


def test_no_number_ends_the_run_and_names_the_tasks(tmp_path: Path, monkeypatch) -> None:
    real = MixtureTrainer._check_finite
    monkeypatch.setattr(
        MixtureTrainer,
        "_check_finite",
        lambda self, loss, inputs: real(self, loss * torch.nan, inputs),
    )
    with pytest.raises(FloatingPointError, match="the loss is nan in a batch of grey, half, li"):
        learned(tmp_path, recipes.dense(), steps=1)


def test_experts_in_layers_that_tasks_share_are_refused(tmp_path: Path) -> None:
    vision = VisionConfig(shared_layers=1)
    message = r"layers\.0\.mlp, in one of the first shared_layers=1 blocks.*layers\?\\\.1\\\.mlp'"
    with pytest.raises(ValueError, match=message):
        learned(tmp_path / "all", recipes.plain_moe(mlp=(3, 2), attention=None), vision=vision)
    later = learned(tmp_path / "odd", recipes.m3vit(experts=3, active=2), vision=vision, steps=1)
    (layer,) = later.read_log()[-1]["use"].values()
    assert "grey" in layer["mean_weight"]


def test_a_graft_of_nothing_is_the_model(tmp_path: Path) -> None:
    plan = RunConfig(recipe=recipes.dense(), base=base(), tasks=DenseTasks(dataset=Gallery()))
    host = plan.load_base().model
    before = said(host)
    grafted = coterie.graft(host, ())
    for name, answer in said(grafted).items():
        assert torch.equal(answer, before[name])
    assert not any(each.requires_grad for each in grafted.parameters())
    grafted.save_pretrained(tmp_path)
    assert load_file(tmp_path / "adapter_model.safetensors") == {}


def test_a_configuration_has_tasks(unchecked) -> None:
    with pytest.raises(ValueError, match="give at least one task"):
        RunConfig(recipe=recipes.dense(), base=base(), tasks=DenseTasks(dataset=Gallery(names=())))
    with pytest.raises(ValueError, match="give a TaskSet"):
        RunConfig(recipe=recipes.dense(), base=base(), tasks=Gallery())
    with pytest.raises(ValueError, match="no setting 'pictures'; its settings are mix, seed"):
        coterie.train(recipes.dense(), base=base(), tasks=Gallery(), out="x", pictures=Gallery())


def test_the_backbone_has_the_attention_that_was_chosen() -> None:
    dense = DenseTasks(dataset=Gallery())
    config = RunConfig(recipe=experts(), base=base(), tasks=dense, attention="eager")
    assert config.load_base("cpu").model.backbone.config._attn_implementation == "eager"
    with pytest.raises(ValueError, match=r"does not load with attention='fast' on cpu: .*eager"):
        replace(config, attention="fast").load_base("cpu")


def test_a_base_that_is_none(tmp_path: Path) -> None:
    plan = RunConfig(
        recipe=recipes.dense(), base=str(tmp_path), tasks=DenseTasks(dataset=Gallery())
    )
    with pytest.raises(
        ValueError, match=r"has no config\.json: it is not the folder of a transformers model"
    ):
        plan.load_base()


def test_a_recipe_for_words_is_refused_before_anything_is_read() -> None:
    with pytest.raises(ValueError, match=r"'moelora' puts experts at 'text\.attn', .* mod_squad"):
        RunConfig(recipe=recipes.moelora(), base=base(), tasks=DenseTasks(dataset=Gallery()))
    there = RunConfig(
        recipe=recipes.rode(at=("vision.mlp",)), base=base(), tasks=DenseTasks(dataset=Gallery())
    )
    assert there.tasks.load_datasets("train")


def test_the_embedded_backbone(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("COTERIE_HOME", str(tmp_path))
    plan = RunConfig(recipe=recipes.dense(), base="embedded", tasks=DenseTasks(dataset=Gallery()))
    with pytest.raises(ValueError, match=r"no vision model in .*run `coterie fetch weights`"):
        plan.load_base()
    shutil.copytree(base(), tmp_path / "weights" / "vision")
    assert plan.load_base().model.config.backbone_width == 32


def test_there_is_nothing_to_prepare() -> None:
    plan = RunConfig(
        recipe=recipes.dense(),
        base=base(),
        tasks=DenseTasks(dataset=Gallery()),
        batch_size=4,
        steps=4,
    )
    assert precompute_caches(plan) == 12


def test_a_resumed_plan_with_other_pictures_is_refused(tmp_path: Path) -> None:
    learned(tmp_path, recipes.dense(), steps=1)
    with pytest.raises(ValueError, match=r"another configuration.*tasks.dataset.names"):
        learned(tmp_path, recipes.dense(), Gallery(names=("grey",)), steps=1, resume=True)


def test_one_task_of_the_set_is_the_single_task_model(tmp_path: Path) -> None:
    run = learned(tmp_path, recipes.dense(), Gallery(names=("grey",)), steps=1)
    assert "information" not in run.read_log()[-1]
    assert run.task_names == ("grey",) and list(said(run.load().model)) == ["grey"]


@dataclass(frozen=True, kw_only=True)
class Deep(Gallery):
    """The gallery, whose samples may have a depth, and have none."""

    @property
    def sensors(self) -> tuple[Sensor, ...]:
        return (IMAGE, Sensor(task=Depth(name="depth"), optional=True))


def test_an_input_that_no_sample_has_is_told() -> None:
    tasks = DenseTasks(dataset=Deep(), vision=VisionConfig(fusion=MeanFusion()))
    said = "no training sample has the input 'depth', and its backbone is not trained"
    assert tasks.list_notices(tasks.load_datasets("train")) == [said]
    assert DenseTasks(dataset=Gallery()).list_notices(tasks.load_datasets("train")) == []
