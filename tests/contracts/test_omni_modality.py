"""A modality of the omni model is one file: depth images, from a row of data to an answer."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoProcessor

import coterie
import coterie.modalities
from coterie import Lora, Mixture, ModalityGate, TopK
from coterie.modalities.base import get_media_modality
from coterie.models.omni import FeatureCache, OmniForConditionalGeneration
from coterie.tasks import TextTask
from tests.tinies.base import pictures
from tests.tinies.omni import encoders, omni_model, omni_processor

FAKES = Path(__file__).parent / "fakes" / "omni"


@pytest.fixture(autouse=True)
def _depth(monkeypatch: pytest.MonkeyPatch) -> None:
    """coterie as it is with the file depth.py in its folder of modalities."""
    package = coterie.modalities
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(FAKES)])


def make_processor() -> Any:
    return omni_processor((*encoders(), coterie.modalities.DepthEncoder(hidden=16)))


def make_png(mode: str = "L") -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).convert(mode).save(file, "PNG")
    return file.getvalue()


def make_batch(processor: Any) -> Any:
    """The first sample has a depth image and a picture, the second two depth images."""
    depth = [np.full((8, 8), level, np.float32) for level in (0, 100, 200)]
    return processor(
        text=["a<depth><image>b c", "<depth><depth>d e f"],
        images=pictures((28, 28)),
        media={"depth": depth},
        padding=True,
        return_tensors="pt",
    )


def test_a_row_is_read_and_becomes_inputs(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(make_png())
    row = {"depth": "a.png", "question": "How far?", "answer": "near"}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    task = TextTask(name="far", rows={"train": "rows.jsonl"}, folder=str(tmp_path))
    messages = task.read_samples("train")[0].to_chat_messages()
    processor = make_processor()
    batch = processor.apply_chat_template(
        [messages], tokenize=True, return_dict=True, return_tensors="pt"
    )
    assert batch["depth_values"].shape == (1, 1, 8, 8)
    assert (batch["input_ids"] == processor.depth_token_id).sum() == 4
    with pytest.raises(ValueError, match="is a picture of mode RGB: save depth in one channel"):
        get_media_modality("depth").decode(make_png("RGB"))


def test_it_trains_routes_and_generates(tmp_path: Path) -> None:
    processor = make_processor()
    model = omni_model(processor)
    mixture = Mixture(
        at="text.mlp",
        experts=Lora(ranks=(2, 2)),
        gate=ModalityGate(modalities=("text", "image", "audio", "depth")),
        router=TopK(k=1),
    )
    grafted = coterie.graft(model, mixture, tasks=("a",)).train()
    batch = make_batch(processor)
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    weights = [each for each in grafted.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(weights, 1e-2)
    losses = []
    for _ in range(2):
        loss = grafted(**batch, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[1] < losses[0]
    grafted.eval()
    with coterie.observe(grafted) as tape, torch.no_grad():
        grafted(**batch)
    routing = tape["model.language_model.layers.0.mlp.up_proj"]
    names = [routing.modalities[index] for index in routing.modality.tolist()]
    rows = batch["input_ids"].shape[1]
    # "a" is one token; then 4 of depth, 5 of the picture; and 8 of depth at once.
    assert names[1:10] == ["depth"] * 4 + ["image"] * 5 and names[rows : rows + 8] == ["depth"] * 8
    options = dict(max_new_tokens=3, do_sample=False, eos_token_id=None)
    found = grafted.generate(**make_batch(processor), **options, num_beams=2)
    assert found.shape[1] == rows + 3


def test_it_is_saved_and_cached(tmp_path: Path) -> None:
    processor = make_processor()
    model = omni_model(processor)
    model.save_pretrained(tmp_path / "model")
    processor.save_pretrained(tmp_path / "model")
    again = OmniForConditionalGeneration.from_pretrained(tmp_path / "model")
    loaded = AutoProcessor.from_pretrained(tmp_path / "model")
    batch = make_batch(loaded)
    with torch.no_grad():
        wanted = model(**batch).logits
        assert torch.equal(again(**batch).logits, wanted)
        loaded.feature_cache = FeatureCache(again, tmp_path / "cache")
        cached = make_batch(loaded)
        assert {"depth_features", "image_features"} < set(cached) and "depth_values" not in cached
        torch.testing.assert_close(again(**cached).logits, wanted, atol=1e-3, rtol=1e-3)
