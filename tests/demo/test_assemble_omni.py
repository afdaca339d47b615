"""Five folders of weights become one that transformers loads."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    Dinov2Config,
    Dinov2Model,
    LlamaConfig,
    LlamaForCausalLM,
    WhisperConfig,
    WhisperForConditionalGeneration,
)

from coterie.models.omni.assembly import save_connectors
from coterie.models.omni.encoders.efficientnet import EfficientNetEncoder
from coterie.models.omni.encoders.sound import SoundEncoder
from coterie_demo.assemble_omni import RENAMED, assemble, make_model_card
from tests.tinies.base import TEXT, pictures, tokenizer
from tests.tinies.omni import DINO, WHISPER, waves


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """The five folders, as small as the formats allow."""
    folder = tmp_path_factory.mktemp("weights")
    words = tokenizer(*RENAMED, "<|im_start|>", "<|im_end|>")
    words.save_pretrained(folder / "llm")
    config = LlamaConfig(vocab_size=len(words), tie_word_embeddings=True, **TEXT)
    LlamaForCausalLM(config).bfloat16().save_pretrained(folder / "llm")
    dino = {**DINO, "image_size": 224, "patch_size": 56, "hidden_size": 8}
    Dinov2Model(Dinov2Config(num_hidden_layers=12, **dino)).save_pretrained(folder / "vision")
    whisper = {**WHISPER, "num_mel_bins": 80, "max_source_positions": 1500}
    rest = {"decoder_layers": 1, "decoder_ffn_dim": 8, "decoder_attention_heads": 4}
    whole = WhisperForConditionalGeneration(WhisperConfig(**whisper, **rest))
    whole.half().save_pretrained(folder / "audio")
    (folder / "efficientnet").mkdir()
    state = EfficientNetEncoder().build_tower().state_dict()
    save_file(state, folder / "efficientnet" / "model.safetensors")
    (folder / "sound").mkdir()
    save_file(SoundEncoder().build_tower().state_dict(), folder / "sound" / "model.safetensors")
    return folder


def test_an_ordinary_folder(weights, tmp_path) -> None:
    folder = assemble(weights, tmp_path / "omni", None)
    model = AutoModelForImageTextToText.from_pretrained(folder)
    processor = AutoProcessor.from_pretrained(folder)
    chat = [
        {"type": "image", "image": pictures((30, 40))[0]},
        {"type": "audio", "audio": waves(0.5)[0]},
        {"type": "video", "video": np.zeros((8, 20, 20, 3), np.uint8)},
        {"type": "sound", "sound": waves(0.5)[0]},
        {"type": "text", "text": "what?"},
    ]
    batch = processor.apply_chat_template(
        [{"role": "user", "content": chat}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    ids = batch["input_ids"]
    # 16 + 1 tokens an image; 0.5 s is padded to 64 frames, 32 states, 4 tokens.
    assert (ids == model.config.image_token_id).sum() == 17
    assert (ids == model.config.audio_token_id).sum() == 4
    # 4 of the 8 frames, 16 tokens each; 64 mel frames, 8 states, 2 tokens.
    assert (ids == model.config.video_token_id).sum() == 64
    assert (ids == model.config.sound_token_id).sum() == 2
    assert "video" not in model.model.connectors and "sound" in model.model.connectors
    assert model.generate(**batch, max_new_tokens=2, do_sample=False).shape[1] > ids.shape[1]
    assert "must be trained" in (folder / "README.md").read_text()
    placeholders = {processor.tokenizer.get_vocab()[token] for token in RENAMED.values()}
    assert set(model.generation_config.suppress_tokens) == placeholders
    assert [path.name for path in tmp_path.iterdir()] == ["omni"]
    words = processor.tokenizer
    plain = LlamaForCausalLM.from_pretrained(weights / "llm", dtype=torch.float32)
    text = words("it is a cat.", return_tensors="pt").input_ids
    with torch.no_grad():
        assert torch.equal(model.eval()(input_ids=text).logits, plain.eval()(text).logits)
    assert len(words) == len(tokenizer(*RENAMED, "<|im_start|>", "<|im_end|>"))


def test_trained_connectors_are_taken_over(weights, tmp_path) -> None:
    model = AutoModelForImageTextToText.from_pretrained(assemble(weights, tmp_path / "omni", None))
    trained = model.model.connectors["vision"].linear_1.weight
    trained.data.fill_(0.25)
    path = save_connectors(model, tmp_path / "connectors.safetensors")
    assert load_file(path)["vision.linear_1.weight"].dtype == torch.float16
    folder = assemble(weights, tmp_path / "omni", path)  # replaces the first
    again = AutoModelForImageTextToText.from_pretrained(folder)
    assert torch.equal(again.model.connectors["vision"].linear_1.weight, trained)
    assert "must be trained" not in (folder / "README.md").read_text()


def test_what_is_missing_or_does_not_fit_is_said(weights, tmp_path) -> None:
    with pytest.raises(ValueError, match=r"llm has no model.safetensors: run `coterie fetch`"):
        assemble(tmp_path, tmp_path / "omni")
    with pytest.raises(ValueError, match=r"connectors = '.*none' is no file: give one written by"):
        assemble(weights, tmp_path / "omni", tmp_path / "none")
    save_file({"vision.norm.weight": torch.ones(3)}, tmp_path / "other")
    with pytest.raises(ValueError, match=r"should be .* and is None .*of another model"):
        assemble(weights, tmp_path / "omni", tmp_path / "other")
    assert not (tmp_path / "omni").exists()


def test_a_tokenizer_without_the_tokens_is_refused(tmp_path) -> None:
    from coterie_demo.assemble_omni import add_placeholder_tokens

    tokenizer("<jupyter_script>").save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="no special token <empty_output> to call <audio>"):
        add_placeholder_tokens(tmp_path, tmp_path)


def test_the_model_card_names_sources_and_says_if_connectors_are_trained() -> None:
    trained, random = make_model_card(trained=True), make_model_card(trained=False)
    for part in ("SmolLM2-135M", "DINOv2", "EfficientNet-Lite0", "Whisper", "Apache-2.0", "MIT"):
        assert part in trained
    assert "must be trained" in random and "must be trained" not in trained
