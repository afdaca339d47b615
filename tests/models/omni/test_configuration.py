"""The configuration survives JSON and knows its placeholders."""

import torch
from transformers import AutoConfig

from coterie.models.omni import OmniConfig
from coterie.models.omni.encoders.base import parse_encoders
from tests.tinies.omni import encoders, omni_model, omni_processor


def test_saved_and_loaded(tmp_path) -> None:
    config = omni_model(omni_processor()).config
    config.save_pretrained(tmp_path)
    again = AutoConfig.from_pretrained(tmp_path)
    assert type(again) is OmniConfig and parse_encoders(again.encoders) == encoders()
    assert again.text_config.hidden_size == 32 and again.tie_word_embeddings
    assert again.get_placeholder_id("image") == config.image_token_id
    assert again.get_placeholder_id("audio") == config.audio_token_id


def test_no_encoders_at_all() -> None:
    from transformers import AutoModelForImageTextToText

    config = OmniConfig(
        text_config={
            "model_type": "llama",
            "hidden_size": 8,
            "vocab_size": 10,
            "intermediate_size": 8,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
        }
    )
    model = AutoModelForImageTextToText.from_config(config)
    assert model(input_ids=torch.tensor([[1, 2]])).logits.shape == (1, 2, 10)
