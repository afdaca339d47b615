"""The AST encoder: its states are those of `ASTModel`, its tokens those of the sound's own time."""

from typing import Any

import numpy as np
import pytest
import torch
from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

from coterie import Mixture, TokenGate, TopK, graft, serialization
from coterie.models.omni.encoders.ast import ASTEncoder
from coterie.models.omni.encoders.base import parse_encoders
from tests.tinies.base import seeded
from tests.tinies.omni import omni_model, omni_processor, waves

# 32 bands are (32 - 16) // 10 + 1 = 2 patches high, 64 frames (64 - 16) // 10 + 1 = 5 columns.
SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
         "intermediate_size": 32, "num_mel_bins": 32, "max_length": 64}  # fmt: skip
TINY = ASTEncoder(config=SIZES, pool=2, hidden=16)
RATE = 16_000


def make_wave(samples: int) -> np.ndarray:
    return np.random.default_rng(samples).standard_normal(samples).astype(np.float32) / 10


def test_counts() -> None:
    # 10 frames begin 1 column, 11 two, 64 seven, of which 5 end inside; two columns are a token.
    lengths = torch.tensor([1, 10, 11, 30, 31, 64])
    assert TINY.count_tokens(lengths).tolist() == [1, 1, 1, 2, 2, 3]
    assert [TINY.count_tokens(length) for length in (1, 31, 64)] == [1, 2, 3]
    # Published sizes: (1024 - 16) // 10 + 1 = 101 columns, 13 tokens of 8.
    assert ASTEncoder().count_tokens(1024) == 13 and ASTEncoder().width == 768


def test_frames_are_kaldis() -> None:
    # 400 samples are a window, 560 two, and 100 are padded to one.
    sizes = (100, 400, 559, 560, 64 * 160)
    assert [TINY.count_frames(make_wave(size), RATE) for size in sizes] == [1, 1, 1, 2, 62]


def test_values_are_the_feature_extractors() -> None:
    waves = [make_wave(4000), make_wave(100)]
    values, lengths = TINY.prepare(waves, None, {})
    extractor = ASTFeatureExtractor(num_mel_bins=32, max_length=64)
    expected = extractor(waves[0], sampling_rate=RATE, return_tensors="pt")["input_values"]
    # (4000 - 400) // 160 + 1 = 23 frames.
    assert lengths.tolist() == [23, 1] and values.shape == (2, 64, 32)
    torch.testing.assert_close(values[:1], expected)


def test_tokens_are_means_of_the_models_patches(tmp_path) -> None:
    whole = seeded(lambda: ASTForAudioClassification(ASTConfig(**SIZES, num_labels=3))).eval()
    whole.save_pretrained(tmp_path)
    tower = TINY.build_tower().eval()
    tower.load_state_dict(TINY.load_weights(tmp_path))
    values, lengths = TINY.prepare([make_wave(64 * 160), make_wave(4000)], None, {})
    with torch.no_grad():
        states = whole.audio_spectrogram_transformer(values).last_hidden_state
        found = TINY.encode(tower, values, lengths)
    # Two special tokens, then 5 columns of the lower patches and 5 of the upper.
    lower, upper = states[:, 2:7], states[:, 7:12]
    columns = (lower + upper) / 2
    torch.testing.assert_close(found[0, 0], columns[0, :2].mean(0))
    torch.testing.assert_close(found[0, 2], columns[0, 4])
    # 23 frames begin 3 columns: the second token is the third column alone.
    torch.testing.assert_close(found[1, 1], columns[1, 2])


@pytest.mark.parametrize(
    ("wave", "problem"),
    [
        (make_wave(64 * 160 + 1), r"0\.6 s long; at most 0\.64 s are allowed: cut it"),
        (np.zeros(0, np.float32), r"has the shape \(0,\)"),
        (np.zeros((2, 9), np.float32), "mono"),
        (np.full(500, np.nan, np.float32), "not finite"),
    ],
)
def test_refused(wave: np.ndarray, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        TINY.prepare([wave], None, {})


def test_another_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="sampling_rate = 8000"):
        TINY.prepare([make_wave(400)], None, {"sampling_rate": 8000})


def test_saved_and_loaded() -> None:
    assert parse_encoders([serialization.dump(TINY)]) == (TINY,)
    assert "mean', -4.2677393" in TINY.describe_preparation(None)


def test_in_a_model_a_sample_is_as_it_is_alone() -> None:
    # 0.1 s are (1600 - 400) // 160 + 1 = 8 frames, 1 column; 0.6 s are 58, and all 5 columns.
    processor = omni_processor([TINY])
    model = omni_model(processor)
    rows = [("a<sound>b", waves(0.1)), ("<sound>", waves(0.6))]

    def make(*rows: tuple[str, list[np.ndarray]]) -> Any:
        texts, sounds = [text for text, _ in rows], [wave for _, own in rows for wave in own]
        return processor(text=texts, media={"sound": sounds}, padding=True, return_tensors="pt")

    both = make(*rows)
    assert (both["input_ids"] == processor.sound_token_id).sum(1).tolist() == [1, 3]
    with torch.no_grad():
        logits = model(**both).logits
        for row, given in enumerate(rows):
            alone = model(**make(given)).logits[0]
            torch.testing.assert_close(logits[row, : len(alone)], alone, atol=1e-5, rtol=1e-4)


def test_experts_find_its_layers() -> None:
    model = omni_model(omni_processor([TINY]))
    blocks = ("mlp", "attn")
    mixtures = [
        Mixture(at=f"sound.{block}", gate=TokenGate(), router=TopK(k=1)) for block in blocks
    ]
    model = graft(model, mixtures)
    names = {name for name, module in model.named_modules() if hasattr(module, "get_base_layer")}
    layer = "base_model.model.model.sound_tower.layers.0"
    linears = ("mlp.fc1", "mlp.fc2", *(f"attention.{each}_proj" for each in "qkvo"))
    assert names == {f"{layer}.{linear}" for linear in linears}
