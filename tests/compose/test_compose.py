"""Runs that were trained apart, composed on a tiny model of text, pictures and speech."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

import coterie
from coterie.evaluate.predictions import compute_adapter_digest
from coterie.extract.fixed_task import make_fixed_task_loras
from coterie.serve.engine import InferenceEngine
from coterie.train import Run, train_from_config
from coterie.train.inputs import compute_base_digests, read_input_digests
from coterie.tuner.config import CoterieConfig
from tests.compose import runs
from tests.train.progressive import base, tasks

BOTH = ("pictures", "speech")


def close(found: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize("make", [runs.naive, runs.decoupled])
def test_weights_1_and_0_answer_as_the_first_run(make: Any, tmp_path: Path) -> None:
    pictures, speech = map(make, BOTH)
    for weights, parent, name in (((1, 0), pictures, "pictures"), ((0, 1), speech, "speech")):
        both = coterie.compose([pictures, speech], out=tmp_path / name, weights=weights)
        for rows in (name, "words"):
            close(runs.compute_logits(both, rows), runs.compute_logits(parent, rows))
    untrained = runs.compute_logits(pictures, "speech")
    assert (runs.compute_logits(both, "speech") - untrained).abs().max() > 1e-4


def test_text_is_the_sum_of_the_changes_and_the_mean_of_factors_is_not(tmp_path: Path) -> None:
    parents = [runs.equal(name) for name in BOTH]
    alone = [compute_changes(each) for each in parents]
    for text, is_exact in (("sum", True), ("mean", False), ("ties", False)):
        both = coterie.compose(
            parents, out=tmp_path / text, text=text, media="text", weights=(0.25, 0.75)
        )
        found = compute_changes(both)
        assert found.keys() == alone[0].keys()
        errors = [
            (found[site] - 0.25 * alone[0][site] - 0.75 * alone[1][site]).abs().max().item()
            for site in found
        ]
        assert (max(errors) < 1e-6) == is_exact and (min(errors) > 1e-5) != is_exact


def compute_changes(run: Run) -> dict[str, torch.Tensor]:
    """The change of each layer's weight, where a run's mixtures are one LoRA."""
    parts = make_fixed_task_loras(runs.load(run.folder).model, "default", run.task_names[0])
    return {part.name: part.compute_delta() for part in parts}


def test_three_runs(tmp_path: Path) -> None:
    three = [runs.naive(name) for name in runs.TASKS]
    run = coterie.compose(three, out=tmp_path / "run")
    assert run.task_names == ("colour", "pitch", "animal") and run.is_finished
    attention, mlp = run.config.recipe.mixtures
    assert (attention.at, mlp.at) == ("text.attn", "text.mlp")
    third = pytest.approx((1 / 3,) * 3)
    assert attention.main.get_ranks() == (2, 3, 4)
    assert attention.gate.weights == {"text": third, "image": (1, 0, 0), "audio": (0, 1, 0)}


def test_bases_may_differ_where_one_model_contains_them(tmp_path: Path) -> None:
    parents = pictures, speech = [runs.apart(name) for name in BOTH]
    for weights, parent, name in (((1, 0), pictures, "pictures"), ((0, 1), speech, "speech")):
        both = coterie.compose(parents, out=tmp_path / name, weights=weights, base=base())
        close(runs.compute_logits(both, name), runs.compute_logits(parent, name))
    assert both.config.base == base()
    adapter = CoterieConfig.from_pretrained(both.directory.adapter_folder)
    assert adapter.base_model_name_or_path == base()
    digests = compute_base_digests(both.config)
    assert digests.items() <= read_input_digests(both.directory).items()
    assert list(coterie.evaluate(both, device="cpu").tasks) == ["colour", "pitch"]
    with pytest.raises(ValueError, match=r"the weights of the base model .*differ. Give base=, a"):
        coterie.compose(parents, out=tmp_path / "none")
    with pytest.raises(ValueError, match=r"has no model\.audio_tower.*contains it whole"):
        coterie.compose(parents, out=tmp_path / "small", base=pictures.config.base)


def test_it_is_a_run_as_any_other(tmp_path: Path) -> None:
    parents = [copy(runs.naive(name), tmp_path / name) for name in BOTH]
    run = coterie.compose([each.folder for each in parents], out=tmp_path / "run")
    for parent in parents:
        parent.folder.rename(parent.folder.with_name(f"{parent.folder.name}-gone"))
    assert Run.read(run.folder).config == run.config
    scores = coterie.evaluate(run, device="cpu")
    assert list(scores.tasks) == ["colour", "pitch"]
    page = coterie.report(run, out=tmp_path / "page.html").read_text("utf-8")
    assert "composed" in page
    with pytest.raises(ValueError, match="has a run already: give a new folder"):
        coterie.compose([run, runs.naive("words")], out=run.folder)


def copy(run: Run, folder: Path) -> Run:
    """The run in another folder."""
    shutil.copytree(run.folder, folder)
    return Run.read(folder)


def test_a_composed_run_is_composed_again(tmp_path: Path) -> None:
    two = coterie.compose(
        [runs.naive("pictures"), runs.naive("speech")], out=tmp_path / "two", weights=(0.5, 0.5)
    )
    nested = coterie.compose([two, runs.naive("words")], out=tmp_path / "a", weights=(0.5, 0.5))
    flat = coterie.compose(
        [runs.naive(name) for name in runs.TASKS], out=tmp_path / "b", weights=(0.25, 0.25, 0.5)
    )
    for name in runs.TASKS:
        close(runs.compute_logits(nested, name), runs.compute_logits(flat, name))


def test_every_tensor_is_reported(tmp_path: Path) -> None:
    connected = [runs.decoupled(name) for name in BOTH]
    run = coterie.compose(connected, out=tmp_path / "run", weights=(1, 0))
    record = json.loads(run.directory.composition_file.read_text())
    assert [each["weight"] for each in record["runs"]] == [1, 0]
    assert [each["modalities"] for each in record["runs"]] == [
        ["text", "image"], ["text", "audio"]
    ]  # fmt: skip
    names, tensors = [str(each.folder) for each in connected], record["tensors"]
    card = (run.directory.adapter_folder / "README.md").read_text()
    assert f"| {names[0]} | damc | text, image | 1 | colour |" in card
    of_audio = {name: each for name, each in tensors.items() if "connectors.audio" in name}
    of_images = {
        name: each
        for name, each in tensors.items()
        if "connectors" in name and name not in of_audio
    }
    assert of_audio and all(each["runs"] == names[1:] for each in of_audio.values())
    assert of_images and all(each["runs"] == names[:1] for each in of_images.values())
    experts = [each for name, each in tensors.items() if "connectors" not in name]
    assert len(experts) == 14  # seven linear layers in each of two blocks
    assert all(each == {"how": "joined", "runs": names, "dropped": []} for each in experts)
    close(runs.compute_logits(run, "pictures"), runs.compute_logits(connected[0], "pictures"))


def test_tasks_may_be_others(tmp_path: Path) -> None:
    parents = [runs.naive(name) for name in BOTH]
    run = coterie.compose(parents, out=tmp_path / "run", tasks=tasks())
    assert run.task_names == ("colour", "pitch", "animal")
    assert list(coterie.evaluate(run, device="cpu").tasks) == ["colour", "pitch", "animal"]


def test_extracted_tasks_are_one_lora_where_that_is_exact(tmp_path: Path) -> None:
    parents = [runs.naive(name) for name in BOTH]
    run = coterie.compose(parents, out=tmp_path / "run", tasks=tasks())
    made = coterie.extract(run, task="animal", to=tmp_path / "animal", device="cpu")
    assert (made / "adapter_model.safetensors").is_file()  # text alone
    with pytest.raises(ValueError, match=r"a ByModality, .* media='text'"):
        coterie.extract(run, task="colour", to=tmp_path / "colour", device="cpu")
    plain = coterie.compose(parents, out=tmp_path / "plain", media="text")
    for name in ("colour", "pitch"):
        coterie.extract(plain, task=name, to=tmp_path / name, device="cpu")


def test_prompts_of_all_runs_are_served_in_one_batch(tmp_path: Path) -> None:
    run = coterie.compose([runs.naive(name) for name in BOTH], out=tmp_path / "run")
    engine = InferenceEngine.from_run(run, device="cpu")
    rows = [run.config.tasks.get_text_task(name).read_samples("test")[0] for name in run.task_names]
    alone = [[job.text.text for job in engine.answer([row])] for row in rows]
    assert [[job.text.text] for job in engine.answer(rows)] == alone


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"text": "meen"}, "text='meen' .did you mean mean.*: allowed are 'sum', 'mean', 'ties'"),
        ({"media": "both"}, "media='both'.*: allowed are 'own', 'text'"),
        ({"weights": "odd"}, "weights='odd'.*: allowed are 'even', 'search', or a number for"),
        ({"weights": (1,)}, "give one for each"),
        ({"weights": "search"}, "no task has any: name a validation split"),
        ({"text": "mean"}, r"the runs have ranks \[2, 3\]"),
        ({"take": {"lm_head.*": "nowhere"}}, "take={'lm_head.*': 'nowhere'}: the runs are"),
    ],
)
def test_wrong_arguments(given: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        coterie.compose([runs.naive(name) for name in BOTH], out=tmp_path / "run", **given)
    assert not (tmp_path / "run" / "adapter").exists()


@pytest.mark.parametrize(
    ("names", "said"), [(("pictures",), "1 run was given"), (("words", "words"), "given twice")]
)
def test_several_runs_are_needed(names: Sequence[str], said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        coterie.compose([runs.naive(name) for name in names], out=tmp_path / "run")


def test_one_that_was_cut_off_is_composed_again_and_never_trained(tmp_path: Path) -> None:
    parents = [runs.naive(name) for name in BOTH]
    whole = coterie.compose(parents, out=tmp_path / "run")
    folder = whole.directory.adapter_folder
    before = compute_adapter_digest(folder)
    for is_whole in (True, False):
        with pytest.raises(ValueError, match="holds runs that were composed, without training"):
            train_from_config(whole.config, out=whole.folder, resume=True)
        assert folder.exists() == is_whole
        shutil.rmtree(folder, ignore_errors=True)
        with pytest.raises(ValueError, match=r"train it first, or remove .*run, and compose its"):
            coterie.evaluate(whole)
    again = coterie.compose(parents, out=tmp_path / "run")
    assert compute_adapter_digest(again.directory.adapter_folder) == before
