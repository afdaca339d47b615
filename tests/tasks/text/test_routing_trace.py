"""What the gates of a tiny omni model decide for the tokens of a prompt with an image."""

from pathlib import Path

import pytest
import torch
from PIL import Image

import coterie
from coterie.data.sample import MediaFile, Message, TextSample
from coterie.models.loading import LoadedModel
from coterie.tasks.text.batches import TextCollator
from coterie.tasks.text.routing_trace import trace_routing
from tests.tinies.omni import omni_model, omni_processor


@pytest.fixture
def sample(tmp_path: Path) -> TextSample:
    Image.new("RGB", (28, 28), "red").save(tmp_path / "a.png")
    picture = MediaFile(kind="image", path=tmp_path / "a.png")
    turn = Message(role="user", parts=(picture, "what is it?"))
    return TextSample(task="a", messages=(turn,), answers=("red",), source="rows.jsonl:7")


def load(mixture: coterie.Mixture) -> tuple[LoadedModel, TextCollator]:
    processor = omni_processor()
    model = coterie.graft(omni_model(processor), mixture, tasks=("a",))
    return LoadedModel(model=model, processor=processor, name="tiny"), TextCollator(
        processor, ["a"]
    )


def test_each_token_of_an_image_is_one_of_the_prompts(sample: TextSample) -> None:
    experts = coterie.Lora(ranks=(1, 2))
    # The MLPs of the tower have tokens of their own, which are not those of the prompt.
    at = ("model.language_model.layers.0.mlp.up_proj", "model.vision_tower.encoder.layer.0.mlp.fc1")
    gate = coterie.TokenGate(init_std=1.0)
    loaded, collator = load(coterie.Mixture(at=at, experts=experts, gate=gate))
    trace = trace_routing(loaded, collator, sample)
    assert trace is not None and trace.source == "rows.jsonl:7"
    # An image has 4 + 1 tokens; the text around it is that of the chat template.
    assert trace.modalities.count("image") == 5
    words = [text for text, kind in zip(trace.tokens, trace.modalities, strict=True)
             if kind == "text"]  # fmt: skip
    assert "whatisit?" in "".join(words).replace(" ", "")
    [(name, weights)] = trace.layers.items()
    assert name == at[0] and len(weights) == len(trace.tokens)
    with coterie.observe(loaded.model) as tape, torch.no_grad():
        loaded.model(**collator.collate_prompts([sample]))
    wanted = tape[name].weights
    assert torch.allclose(torch.tensor(weights), wanted, atol=5.1e-4)


def test_gates_that_decide_by_sample_have_no_trace(sample: TextSample) -> None:
    gate = coterie.InstanceGate(pool="embedding")
    loaded, collator = load(coterie.Mixture(at="text.mlp", gate=gate))
    assert trace_routing(loaded, collator, sample) is None
