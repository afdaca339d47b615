"""A language model and encoders become a folder that transformers loads and trains."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    BitImageProcessorPil,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    WhisperFeatureExtractor,
)

from coterie.models.omni.assembly import assemble, make_processor, save_connectors
from coterie.models.omni.connectors.qformer import QFormerConnector
from coterie.models.omni.encoders.dinov2 import DINOv2Encoder
from coterie.models.omni.encoders.sound import SoundEncoder
from coterie.models.omni.encoders.video import VideoEncoder
from tests.models.omni.test_mixed_media import clip
from tests.tinies.base import TEXT, pictures, seeded, tokenizer
from tests.tinies.omni import DINO, waves

IMAGE = DINOv2Encoder(config=DINO, layers=(1,), side=2, hidden=16)
SOUND = SoundEncoder(
    bands=8, channels=(4, 8), dim=16, layers=1, heads=2, hidden=16,
    connector=QFormerConnector(queries=3, layers=2, heads=2),
)  # fmt: skip
KINDS = (IMAGE, SOUND, VideoEncoder(image=IMAGE, hidden=16))


@pytest.fixture(scope="module")
def language_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama whose tokenizer has no placeholders."""
    folder = tmp_path_factory.mktemp("llm")
    words = tokenizer("<|im_start|>", "<|im_end|>")
    words.save_pretrained(folder)
    config = LlamaConfig(vocab_size=len(words), tie_word_embeddings=True, **TEXT)
    seeded(lambda: LlamaForCausalLM(config)).bfloat16().save_pretrained(folder)
    return folder


def make_parts(language_model: Path) -> Any:
    return make_processor(
        language_model,
        KINDS,
        image_processor=BitImageProcessorPil(size={"height": 28, "width": 28}),
        feature_extractor=WhisperFeatureExtractor(feature_size=8, chunk_length=1),
    )


def test_it_is_loaded_answers_and_trains(language_model: Path, tmp_path: Path) -> None:
    sound = SOUND.build_tower()
    save_file(sound.state_dict(), tmp_path / "model.safetensors")
    folder = assemble(
        tmp_path / "omni",
        language_model=language_model,
        encoders=[(IMAGE, None), (SOUND, tmp_path), (KINDS[2], None)],
        processor=make_parts(language_model),
        card="# Mine",
    )
    assert (folder / "README.md").read_text() == "# Mine"
    model: Any = AutoModelForImageTextToText.from_pretrained(folder)
    assert model.dtype == torch.bfloat16
    model = model.float()
    processor: Any = AutoProcessor.from_pretrained(folder)
    # The Llama's 300 tokens or fewer, and four placeholders (audio's is unused).
    assert model.lm_head.weight.shape[0] == len(processor.tokenizer)
    assert torch.equal(
        model.model.sound_tower.project.weight.bfloat16(), sound.project.weight.bfloat16()
    )
    parts = [{"type": "image", "image": pictures((30, 40))[0]},
             {"type": "sound", "sound": waves(0.5)[0]},
             {"type": "video", "video": clip(2)},
             {"type": "text", "text": "what?"}]  # fmt: skip
    batch = processor.apply_chat_template(
        [[{"role": "user", "content": parts}]], add_generation_prompt=True, tokenize=True,
        return_dict=True, return_tensors="pt",
    )  # fmt: skip
    made = model.generate(**batch, max_new_tokens=3, do_sample=False)
    assert made.shape[1] > batch["input_ids"].shape[1]
    assert not {*made[0, -3:].tolist()} & {*processor.get_placeholder_ids().values()}
    model.train()(**batch, labels=batch["input_ids"]).loss.backward()
    for name, weights in model.model.connectors.named_parameters():
        assert weights.grad is not None and weights.grad.isfinite().all(), name
    path = save_connectors(model, tmp_path / "connectors.safetensors")
    again = assemble(
        tmp_path / "omni", language_model=language_model, connectors=path,
        encoders=[(kind, None) for kind in KINDS], processor=make_parts(language_model),
    )  # fmt: skip
    assert again == folder and not (folder / "README.md").exists()


def test_a_head_that_is_tied_to_embeddings_of_another_name(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = tokenizer()
    words.save_pretrained(tmp_path / "llm")
    config = GPT2Config(
        vocab_size=len(words), n_embd=16, n_layer=1, n_head=2, bos_token_id=1, eos_token_id=2
    )
    plain = seeded(lambda: GPT2LMHeadModel(config)).eval()
    plain.save_pretrained(tmp_path / "llm")
    capfd.readouterr()
    folder = assemble(tmp_path / "omni", language_model=tmp_path / "llm", encoders=[(IMAGE, None)])
    assert "Loading weights" not in capfd.readouterr().err  # transformers' bar
    model: Any = AutoModelForImageTextToText.from_pretrained(folder).eval()
    assert "Loading weights" in capfd.readouterr().err
    ids = torch.tensor([[20, 21, 22]])
    with torch.no_grad():
        found = model(input_ids=ids).logits[..., : len(words)]
        torch.testing.assert_close(found, plain(ids).logits)
    # Without ChatML's tokens, the template is coterie's own.
    template = AutoProcessor.from_pretrained(folder).chat_template
    assert template is not None and "<|im_start|>" not in template


def test_weights_that_do_not_fit_are_refused(language_model: Path, tmp_path: Path) -> None:
    save_file({"project.weight": torch.ones(2)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"model.sound_tower.* should be .* and is None"):
        assemble(
            tmp_path / "omni", language_model=language_model, encoders=[(SOUND, tmp_path)],
        )  # fmt: skip
    assert not (tmp_path / "omni").exists()
