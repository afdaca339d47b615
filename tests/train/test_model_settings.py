"""Settings that do not fit a run, and runs of a quantised base model."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import PeftModel

import coterie
from coterie import AttentionHeads, Copies, Lora, Mixture, Recipe, Stage
from coterie.models.options import ModelOptions
from coterie.models.quantization import is_quantized
from coterie.serve.engine import InferenceEngine
from coterie.tasks import as_task_set
from coterie.train import Run, RunConfig
from coterie.train.model_settings import check_device
from coterie.train.trainer import MixtureTrainer
from tests.evaluate.dense_runs import RandomPictures
from tests.train.small import base, content, lines, plain, tasks, trained

FIXED = coterie.Fixed()
HOWS = ("4bit", "8bit", "int8")


def recipe(experts, *, balancing=FIXED, **options) -> Recipe:
    mixture = Mixture(experts=experts, **options)
    return Recipe(name="r", mixtures=(mixture,), stages=(Stage(),), balancing=balancing)


def config(recipe: Recipe, **settings) -> RunConfig:
    return RunConfig(recipe=recipe, base=base(), tasks=as_task_set(tasks()), **settings)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (plain(trains=("adapter", "connector")), "stage 'train' trains 'connector', weights of"),
        (plain(trains=(r"model\.norm\.weight",)), "stage 'train' trains .*norm.*, weights of"),
        (recipe(Copies(count=2)), "Copies experts at 'text.mlp' are trained copies of quantised"),
        (
            recipe(AttentionHeads(replace=True)),
            "AttentionHeads experts at 'text.mlp' are trained copies",
        ),
    ],
)
def test_quantised_weights_are_not_trained(given: Recipe, said: str) -> None:
    with pytest.raises(ValueError, match=f"quantize='4bit' does not fit recipe .*{said}"):
        config(given, quantize="4bit")
    assert config(given).model_options == ModelOptions()
    config(recipe(Copies(count=2, trained="lora")), quantize="4bit")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"quantize": "2bit"}, "quantize='2bit': allowed are '4bit', '8bit', 'int8'"),
        ({"attention": "flash_attention_2"}, "multiplies in 16 bits.*give precision='bfloat16'"),
        ({"packing": True, "compile": True}, "compile=True and packing=True: "),
        ({"gradient_checkpointing": True, "compile": True}, "and gradient_checkpointing=True: "),
        ({"compile": True, "recipe": recipe(Lora(), balancing=coterie.MGDA())},
         "compile=True does not fit recipe 'r': MGDA takes a backward pass for each task"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit(settings, said: str, unchecked) -> None:
    with pytest.raises(ValueError, match=said):
        config(**{"recipe": plain()} | settings)
    config(plain(), attention="flash_attention_2", precision="bfloat16", compile=True)


@pytest.mark.parametrize(
    "given", [{"quantize": "4bit"}, {"max_pixels": 9}, {"packing": True}], ids=str
)
def test_dense_tasks_have_attention_alone(given) -> None:
    dense, seen = as_task_set(RandomPictures()), coterie.recipes.mod_squad()
    found = RunConfig(recipe=seen, base="any", tasks=dense, attention="sdpa")
    ((name, value),) = given.items()
    with pytest.raises(ValueError, match=f"{name}={value!r} is not for DenseTasks"):
        replace(found, **given)


@pytest.mark.parametrize("name", ["flex_attention", "flash_attention_2"])
def test_attention_that_a_cpu_cannot_train(name: str) -> None:
    check_device(ModelOptions(attention=name), torch.device("cuda"))
    check_device(ModelOptions(attention="sdpa"), torch.device("cpu"))
    with pytest.raises(ValueError, match=f"attention='{name}' cannot be trained on a CPU: give"):
        check_device(ModelOptions(attention=name), torch.device("cpu"))


@pytest.mark.filterwarnings("ignore")  # bitsandbytes and torchao warn about this CPU
@pytest.mark.parametrize("how", HOWS)
def test_a_quantised_run(tmp_path: Path, monkeypatch, how: str) -> None:
    pytest.importorskip("torchao" if how == "int8" else "bitsandbytes")
    recipe = plain(steps=6, learning_rate=3e-2)
    whole = trained(tmp_path / "whole", recipe, quantize=how)
    log = whole.read_log()
    assert log[-1]["loss"] < log[0]["loss"]

    real, calls = MixtureTrainer.compute_loss, []

    def pressed(*args, **more):
        calls.append(args)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return real(*args, **more)

    monkeypatch.setattr(MixtureTrainer, "compute_loss", pressed)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "cut", recipe, quantize=how)
    with pytest.raises(ValueError, match=f"saved, requested.: quantize: '{how}', None"):
        trained(tmp_path / "cut", recipe, resume=True)
    resumed = trained(tmp_path / "cut", recipe, quantize=how, resume=True)
    assert content(resumed) == content(whole) and lines(resumed) == lines(whole)

    run = Run.read(tmp_path / "whole")
    assert run.config.quantize == how
    model, plainly = run.load(device="cpu").model, trained(tmp_path / "plain", plain(steps=1))
    weight = model.get_base_model().model.layers[0].mlp.up_proj.base_layer.weight
    own = plainly.load(device="cpu").model.get_base_model().model.layers[0].mlp.up_proj
    assert type(weight.data) is not torch.Tensor or weight.dtype != own.base_layer.weight.dtype


@pytest.mark.filterwarnings("ignore")  # bitsandbytes and torchao warn about this CPU
@pytest.mark.parametrize(
    "how", ["4bit", *(pytest.param(how, marks=pytest.mark.slow) for how in HOWS if how != "4bit")]
)
def test_what_follows_a_quantised_run(tmp_path: Path, how: str) -> None:
    pytest.importorskip("torchao" if how == "int8" else "bitsandbytes")
    alone = recipe(Lora(ranks=(2,)), gate=None)
    run = trained(tmp_path / "run", alone, quantize=how, steps=2)
    scores = coterie.evaluate(run, split="validation", limit=2)
    assert set(scores.tasks) == set(run.task_names)
    key = json.loads(run.directory.predictions_cache_file("validation", "ocr").read_text())["key"]
    assert key["quantize"] == how and "attention" not in key
    engine = InferenceEngine.from_run(run.folder, device="cpu")
    assert is_quantized(engine.loaded.model.get_base_model())
    assert isinstance(engine.ask("is this 1 train?", task="ocr"), str)

    folder = coterie.extract(run, task="ocr", to=tmp_path / "ocr")
    plain_lora = PeftModel.from_pretrained(run.config.load_base("cpu").model, str(folder)).eval()
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        wanted = engine.loaded.model(input_ids=ids, task_ids=torch.tensor([1])).logits
        torch.testing.assert_close(plain_lora(input_ids=ids).logits, wanted, atol=1e-4, rtol=1e-4)
    with pytest.raises(ValueError, match=r"is quantised .* use format='adapter'"):
        coterie.extract(run, task="ocr", to=tmp_path / "merged", format="merged")


def test_a_packed_run_is_the_run(tmp_path: Path) -> None:
    options = {"log_every": 1, "evaluate_every": 2, "max_length": 64}
    recipe = plain(steps=4, learning_rate=1e-2)
    whole = trained(tmp_path / "whole", recipe, **options)
    packed = trained(tmp_path / "packed", recipe, **options, packing=True)
    for line, other in zip(lines(whole), lines(packed), strict=True):
        assert line.keys() == other.keys()
        for name in {"loss", "task_loss", "gradient_norm", "validation_loss"} & line.keys():
            assert other[name] == pytest.approx(line[name], rel=1e-4), name
