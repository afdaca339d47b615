"""Chat messages to tensors, with and without a cache."""

import pytest
import torch
from transformers import AutoProcessor

from coterie.models.omni import FeatureCache, OmniProcessor
from tests.tinies.base import pictures
from tests.tinies.omni import omni_model, omni_processor, waves

(PICTURE,), (WAVE,) = pictures((20, 50)), waves(0.4)
USER = {
    "role": "user",
    "content": [
        {"type": "image", "image": PICTURE},
        {"type": "audio", "audio": WAVE},
        {"type": "text", "text": "what?"},
    ],
}
ANSWER = {"role": "assistant", "content": [{"type": "text", "text": "it is."}]}
SYSTEM = {"role": "system", "content": "Be brief."}


def made(processor, *messages, **options):
    return processor.apply_chat_template(
        [list(messages)], tokenize=True, return_dict=True, return_tensors="pt", **options
    )


def test_the_template_says_no_more_than_it_must() -> None:
    processor = omni_processor()
    asked = processor.apply_chat_template([USER], add_generation_prompt=True)
    assert asked == ("<|im_start|>user\n<image><audio>what?<|im_end|><|im_start|>assistant\n")
    whole = processor.apply_chat_template([SYSTEM, USER, ANSWER])
    assert whole == f"<|im_start|>system\nBe brief.<|im_end|>{asked}it is.<|im_end|>"


def test_tensors() -> None:
    processor = omni_processor()
    batch = made(processor, USER, ANSWER)
    # 5 tokens an image; 0.4 s is padded to 48 frames, 24 states, 6 tokens.
    ids = batch["input_ids"][0]
    assert (ids == processor.image_token_id).sum() == 5
    assert (ids == processor.audio_token_id).sum() == 6
    assert batch["pixel_values"].shape == (1, 3, 28, 28)
    assert batch["input_features"].shape == (1, 8, 48)
    assert batch["feature_lengths"].tolist() == [48]
    assert set(batch) <= set(processor.model_input_names)
    assert processor.count_tokens("image") == 5 and processor.count_tokens("audio", 48) == 6


def test_the_answer_can_be_told() -> None:
    processor = omni_processor()
    batch = made(processor, USER, ANSWER, return_assistant_tokens_mask=True)
    mask = torch.as_tensor(batch["assistant_masks"]).bool()
    assert processor.tokenizer.decode(batch["input_ids"][mask]) == "it is.<|im_end|>"


def test_a_cache_hands_out_features(tmp_path) -> None:
    processor = omni_processor()
    model = omni_model(processor)
    plain = made(processor, USER, ANSWER)
    processor.feature_cache = FeatureCache(model, tmp_path)
    batch = made(processor, USER, ANSWER)
    assert {"image_features", "audio_features"} < set(batch)
    assert not {"pixel_values", "input_features"} & set(batch)
    with torch.no_grad():
        torch.testing.assert_close(
            model(**batch).logits, model(**plain).logits, atol=1e-3, rtol=1e-3
        )
    assert "features" not in processor.to_dict() and repr(processor)


def test_saved_and_loaded(tmp_path) -> None:
    processor = omni_processor()
    omni_model(processor).config.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    again = AutoProcessor.from_pretrained(tmp_path)
    assert type(again) is OmniProcessor and again.encoders_by_name == processor.encoders_by_name
    first, second = (made(each, SYSTEM, USER, ANSWER) for each in (processor, again))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_another_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="sampling_rate = 8000: sounds must have 16000 samples"):
        omni_processor()(text=["<audio>"], audio=[WAVE], sampling_rate=8000)
