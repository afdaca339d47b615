"""Kept features of a tiny omni model."""

from pathlib import Path

import pytest
from PIL import Image

import coterie
from coterie.models.loading import LoadedModel
from coterie.tasks import TextTask
from coterie.train.config import RunConfig
from coterie.train.frozen_caches import (
    cache_encoder_features,
    disable_feature_cache,
    has_tower_mixtures,
    precompute_caches,
)
from tests.cli.folders import llama_folder, text_tasks
from tests.data.files import jsonl, png
from tests.tinies.omni import omni_model, omni_processor


def loaded(at: str) -> LoadedModel:
    """The tiny omni model with frozen experts at `at`."""
    processor = omni_processor()
    mixture = coterie.Mixture(at=at, experts=coterie.Lora(ranks=(2, 2)))
    model = coterie.graft(omni_model(processor), mixture).requires_grad_(False)
    return LoadedModel(model, processor, "tiny")


def names(processor) -> set[str]:
    picture = Image.new("RGB", (28, 28))
    return set(processor(text=["<image>a"], images=[[picture]], return_tensors="pt"))


def test_features_are_kept_and_left_out_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COTERIE_HOME", str(tmp_path))
    found = loaded("text.mlp")
    with disable_feature_cache(found.processor):
        assert "pixel_values" in names(found.processor)
    cache_encoder_features(found.model, found.processor)
    assert "image_features" in names(found.processor)
    with disable_feature_cache(found.processor):
        assert "pixel_values" in names(found.processor)
    assert "image_features" in names(found.processor)


def test_a_model_without_a_graft_has_kept_features_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COTERIE_HOME", str(tmp_path))
    processor = omni_processor()
    cache_encoder_features(omni_model(processor), processor)
    assert "image_features" in names(processor)


def test_nothing_is_kept_where_a_mixture_sits_in_an_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COTERIE_HOME", str(tmp_path))
    found = loaded("vision.mlp")
    assert has_tower_mixtures(found.model)
    cache_encoder_features(found.model, found.processor)
    assert "pixel_values" in names(found.processor)


def test_a_sample_of_several_runs_is_prepared_once(tmp_path: Path) -> None:
    llama_folder(tmp_path / "model")
    text_tasks(tmp_path / "data")
    tasks = coterie.read_tasks(tmp_path / "data" / "tasks.yaml")
    first, second, both = (
        RunConfig(recipe=coterie.recipes.shared_lora(rank=2), base=str(tmp_path / "model"),
                  tasks=tasks.select(names), steps=2, batch_size=3)
        for names in (("first",), ("second",), ("first", "second"))
    )  # fmt: skip
    # Two steps of three samples are the six rows of a task, or six of the twelve of both.
    assert precompute_caches(first, first) == precompute_caches(both) == 6
    assert precompute_caches(first, both, second) == 12


@pytest.mark.slow
def test_a_stage_that_trains_encoders_keeps_no_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COTERIE_HOME", str(tmp_path / "home"))
    processor = omni_processor()
    for each in (omni_model(processor), processor):
        each.save_pretrained(tmp_path / "omni")
    (tmp_path / "a.png").write_bytes(png(size=(28, 28)))
    rows = [{"image": "a.png", "question": "is this?", "answer": "a cat"}] * 2
    task = TextTask(name="a", rows={"train": str(jsonl(tmp_path / "r.jsonl", rows))})
    recipe, out = coterie.recipes.dense(), tmp_path / "run"
    run = coterie.train(recipe, base=tmp_path / "omni", tasks=[task], out=out, steps=1,
                        batch_size=2, device="cpu")  # fmt: skip
    assert run.is_finished
