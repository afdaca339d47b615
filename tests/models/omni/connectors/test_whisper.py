"""Whisper's decoder as a connector: queries of each chunk, from an item's own states."""

import pytest
import torch

from coterie.models.omni.connectors.whisper import WhisperConnector
from coterie.models.omni.encoders.whisper import WhisperEncoder
from tests.tinies.base import seeded
from tests.tinies.omni import WHISPER, omni_model, omni_processor, waves

CONFIG = {**WHISPER, "decoder_layers": 1, "decoder_attention_heads": 4, "decoder_ffn_dim": 64}
KIND = WhisperConnector(config=CONFIG, queries=3, chunk_tokens=4, max_chunks=2)


def test_a_chunk_gives_its_queries() -> None:
    # 4 tokens are one chunk, 5 two.
    assert KIND.count_tokens(torch.tensor([1, 4, 5])).tolist() == [3, 3, 6]
    network = seeded(lambda: KIND.build(32, 16, 6)).eval()
    assert network.queries.eq(0).all()
    torch.nn.init.normal_(network.queries)
    features, own = torch.randn(2, 7, 32), torch.arange(7) < torch.tensor([[3], [7]])
    with torch.no_grad():
        both = KIND.project(network, features, own)
        alone = KIND.project(network, features[:1, :3], own[:1, :3])
        later = KIND.project(network, features[1:, 4:], own[1:, 4:])
    assert both.shape == (2, 6, 6)
    torch.testing.assert_close(both[:1, :3], alone, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(both[1:, 3:], later, atol=1e-6, rtol=1e-5)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"d_model 32 .* have width 8"):
        KIND.build(8, 16, 6)
    network = KIND.build(32, 16, 6)
    with pytest.raises(ValueError, match=r"has 9 tokens, .* at most 2 chunks of 4: cut it"):
        KIND.project(network, torch.zeros(1, 9, 32), torch.ones(1, 9).bool())


def test_in_a_model_each_recording_is_as_alone() -> None:
    kind = WhisperConnector(config=CONFIG, queries=3, chunk_tokens=50, max_chunks=2)
    processor = omni_processor(
        (WhisperEncoder(config=WHISPER, pool=1, chunks=2, hidden=16, connector=kind),)
    )
    model, sounds, texts = omni_model(processor), waves(0.3, 1.5), ["a<audio>", "<audio>b"]
    together = processor(text=texts, audio=sounds, padding=True, return_tensors="pt")
    # 1.5 s are 164 frames, 82 states: two chunks of 50 at most, 3 queries each.
    counts = (together["input_ids"] == processor.audio_token_id).sum(1)
    assert counts.tolist() == [3, 6]
    with torch.no_grad():
        logits = model(**together).logits
        for row in range(2):
            alone = processor(text=[texts[row]], audio=[sounds[row]], return_tensors="pt")
            wanted = model(**alone).logits[0]
            torch.testing.assert_close(logits[row, : len(wanted)], wanted, atol=1e-5, rtol=1e-4)
